package docker

// Beside client.go: what the engine's client says of how much containers wrote.

import (
	"context"
	"errors"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
)

func (a apiClient) Size(ctx context.Context, id string) (uint64, error) {
	r, _, err := a.c.ContainerInspectWithRaw(ctx, id, true)
	switch {
	case cerrdefs.IsNotFound(err):
		return 0, errGone
	case err != nil:
		return 0, fmt.Errorf("inspect container with its size: %w", err)
	case r.ContainerJSONBase == nil || r.SizeRw == nil || *r.SizeRw < 0:
		return 0, errors.New("inspect container with its size: the answer has none")
	}
	return uint64(*r.SizeRw), nil
}
