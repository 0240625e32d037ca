package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// lookAgain is how long what a tag points to is believed.
	lookAgain = 5 * time.Minute
	// maxLooks bounds how often one snapshot asks about images; the next one goes on.
	maxLooks = 64
)

// An image is what the engine says of one.
type image struct {
	id      string
	created time.Time // zero where it is not known, as in reproducible builds
}

// images remembers what the images of containers are. There is one entry a
// container's image, and one for what it was asked for as.
type images struct {
	byID  map[string]image // of an id nothing ever changes
	byTag map[string]tag
}

// A tag is which image a name means now.
type tag struct {
	id string // "" where no image has that name any more
	at time.Time
}

// look asks for what is not known of these containers' images, and forgets those
// of others. The first error ends it.
func (k *images) look(ctx context.Context, eng engine, all []measured) error {
	byID, byTag := map[string]image{}, map[string]tag{}
	looks := maxLooks
	ask := func(name string) (image, error) {
		looks--
		i, err := eng.Image(ctx, name)
		if errors.Is(err, errGone) {
			return image{}, nil
		}
		return i, err
	}
	defer func() { k.byID, k.byTag = byID, byTag }()
	var failed error
	for i := range all {
		a := &all[i].audit
		if all[i].container == nil || a.image == "" {
			continue
		}
		if _, done := byID[a.image]; !done {
			known, ok := k.byID[a.image]
			if !ok && looks > 0 && failed == nil {
				known, failed = ask(a.image)
				ok = failed == nil
			}
			if ok {
				byID[a.image] = known
			}
		}
		if _, done := byTag[a.ref]; done || !movable(a.ref) {
			continue
		}
		known, ok := k.byTag[a.ref]
		if (!ok || time.Since(known.at) >= lookAgain) && looks > 0 && failed == nil {
			var now image
			if now, failed = ask(a.ref); failed == nil {
				known, ok = tag{now.id, time.Now()}, true
			}
		}
		if ok {
			byTag[a.ref] = known
		}
	}
	if failed != nil {
		return fmt.Errorf("images of containers: %w", failed)
	}
	return nil
}

// movable reports whether a name may mean another image tomorrow.
func movable(ref string) bool {
	return ref != "" && !strings.Contains(ref, "@") && !strings.HasPrefix(ref, "sha256:")
}

// samples yields what is known of the image that a container runs. What is asked
// for anew each five minutes stays as it was in between.
func (k *images) samples(a *audit, e emitter) {
	if a.image == "" {
		return
	}
	if i := k.byID[a.image]; !i.created.IsZero() {
		e.gauge("logkeel_container_image_created_seconds", "When the image that the container runs was made, since unix epoch in seconds.", float64(i.created.Unix()), agent.Label{Name: "image_id", Value: a.image})
		e.gauge("logkeel_container_image_age_seconds", "How long ago the image that the container runs was made.", max(0, time.Since(i.created).Seconds()))
	}
	if t, ok := k.byTag[a.ref]; ok {
		e.gauge("logkeel_container_image_outdated", "Whether the container's image name means another image by now: pulled or built, and the container was not made anew.", number(cmp.Or(t.id, a.image) != a.image))
	}
}
