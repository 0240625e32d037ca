package setup

import (
	"testing"
	"testing/fstest"
)

func TestRootIsPrivate(t *testing.T) {
	for mounts, want := range map[string]bool{
		"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n23 22 0:4 / /proc rw - proc proc rw\n": false,
		"22 1 8:1 / / rw,relatime master:1 - ext4 /dev/sda1 rw\n":                                      false,
		"22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n23 22 0:4 / /proc rw shared:1 - proc proc rw\n": true,
		"1 1 0:2 / / rw - rootfs rootfs rw\n22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n":            false,
		"torn\n": false,
	} {
		root := fstest.MapFS{"proc/self/mountinfo": {Data: []byte(mounts)}}
		if got := rootIsPrivate(root); got != want {
			t.Errorf("%t, want %t: %s", got, want, mounts)
		}
	}
	if rootIsPrivate(fstest.MapFS{}) {
		t.Error("what is not known is private")
	}
}
