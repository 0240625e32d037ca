package docker

import (
	"bufio"
	"io"
	"path"
	"strings"
)

// maxMount bounds a line of mountinfo, in bytes: the kernel's limit is a page.
const maxMount = 64 << 10

// ownContainer finds the id of the container that this process runs in, or "".
// mountinfo is /proc/self/mountinfo: the engine mounts files of the container's
// folder to /etc/hostname, /etc/hosts and /etc/resolv.conf.
func ownContainer(mountinfo io.Reader) string {
	lines := bufio.NewScanner(mountinfo)
	lines.Buffer(nil, maxMount)
	for lines.Scan() {
		// ID, parent, device, root of the mount in its file system, mount point, ...
		f := strings.Fields(lines.Text())
		if len(f) < 5 {
			continue
		}
		dir, file := path.Split(f[3])
		switch file {
		case "hostname", "hosts", "resolv.conf":
		default:
			continue
		}
		containers, id := path.Split(path.Clean(dir))
		if f[4] == "/etc/"+file && isID(id) && path.Base(containers) == "containers" {
			return id
		}
	}
	return ""
}
