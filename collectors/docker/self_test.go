package docker

import (
	"strings"
	"testing"
)

func TestOwnContainerID(t *testing.T) {
	const hex = "0c38a83ac2de323ca0b297dbb85525df546912b252d064a44721c829ee844919"
	for _, c := range []struct{ name, mounts, want string }{
		{"in a container", `109 61 0:50 / / rw,relatime master:3 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/B6:/var/lib/docker/overlay2/l/5C
126 109 254:0 /var/lib/docker/containers/` + hex + `/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda rw
127 109 254:0 /var/lib/docker/containers/` + hex + `/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw`, hex},
		{"data folder elsewhere", `128 109 254:0 /srv/d/containers/` + hex + `/hosts /etc/hosts rw - ext4 /dev/vda rw`, hex},
		{"on the host, which sees the containers' mounts", `90 61 0:44 / /var/lib/docker/containers/` + hex + `/mounts/shm rw - tmpfs shm rw`, ""},
		{"with all containers mounted", `91 61 254:0 /var/lib/docker/containers /var/lib/docker/containers ro - ext4 /dev/vda rw`, ""},
		{"another container's file, mounted elsewhere", `91 61 254:0 /var/lib/docker/containers/` + hex + `/hostname /mnt/hostname ro - ext4 /dev/vda rw`, ""},
		{"no id", `91 61 254:0 /var/lib/docker/containers/web/hostname /etc/hostname ro - ext4 /dev/vda rw`, ""},
		{"not under containers", `91 61 254:0 /backup/` + hex + `/hostname /etc/hostname ro - ext4 /dev/vda rw`, ""},
		{"nothing", "", ""},
		{"short lines", "1 2 3\n\n /hostname", ""},
	} {
		if got := ownContainer(strings.NewReader(c.mounts)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzOwnContainer(f *testing.F) {
	f.Add("127 109 254:0 /containers/0c38a83ac2de323ca0b297dbb85525df546912b252d064a44721c829ee844919/hostname /etc/hostname rw - ext4 /dev/vda rw")
	f.Add("1 2 3 /hostname /etc/hostname")
	f.Fuzz(func(t *testing.T, mounts string) {
		if got := ownContainer(strings.NewReader(mounts)); got != "" && !isID(got) {
			t.Errorf("%q gave %q, which is no id", mounts, got)
		}
	})
}
