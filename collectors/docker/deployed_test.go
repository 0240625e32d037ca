package docker

import (
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// What is mounted of a volume stands with how the container was made.
func TestSubpath(t *testing.T) {
	t.Parallel()
	h := &container.HostConfig{Mounts: []mount.Mount{
		{Target: "/all"},
		{Target: "/whole", VolumeOptions: &mount.VolumeOptions{}},
		{Target: "/part/", VolumeOptions: &mount.VolumeOptions{Subpath: "logs/web"}},
	}}
	for target, want := range map[string]string{"/all": "", "/whole": "", "/part": "logs/web", "/none": ""} {
		if got := subpath(h, target); got != want {
			t.Errorf("%s: %q", target, got)
		}
	}
	if subpath(nil, "/part") != "" {
		t.Error("of a container without a configuration")
	}
}
