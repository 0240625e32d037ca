package docker

// Beside client.go: what the engine's client says of images.

import (
	"context"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
)

func (a apiClient) Image(ctx context.Context, name string) (image, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := a.c.ImageInspect(ctx, name)
	switch {
	case cerrdefs.IsNotFound(err):
		return image{}, errGone
	case cerrdefs.IsPermissionDenied(err):
		return image{}, fmt.Errorf("inspect image: %w; allow the agent GET /images/{name}/json, or set collectors.docker.stats.images to false", err)
	case err != nil:
		return image{}, fmt.Errorf("inspect image: %w", err)
	}
	return image{r.ID, engineTime(r.Created)}, nil
}
