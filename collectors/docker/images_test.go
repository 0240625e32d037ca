package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// runsImage puts a container that runs the image of that id, by that name.
func (f *fake) runsImage(digit, name, image, ref string) {
	f.runs(digit, name, time.Now())
	d := f.containers[id(digit)]
	d.audit.image, d.audit.ref = image, ref
	f.containers[id(digit)] = d
}

func TestImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.usage = func(context.Context, string) (usage, error) { return usage{cpu: 1, system: 1}, nil }
		made := time.Now().Add(-48 * time.Hour)
		f.images = map[string]image{
			"sha256:a": {"sha256:a", made}, "box:1": {"sha256:a", made},
			"sha256:b": {"sha256:b", time.Time{}}, "app:2": {"sha256:b", time.Time{}},
		}
		f.runsImage("1", "web", "sha256:a", "box:1")
		f.runsImage("2", "mate", "sha256:a", "box:1")
		f.runsImage("3", "app", "sha256:b", "app:2")
		f.runsImage("4", "fixed", "sha256:a", "box@sha256:a")
		f.runsImage("5", "lost", "sha256:c", "lost:1")
		s := NewStats(newCollector(t, Config{}, f), StatsConfig{Images: true})
		defer s.Close()
		look := func(when string) snapshot {
			t.Helper()
			got, err := sample(t, t.Context(), s)
			if err != nil {
				t.Errorf("%s: %v", when, err)
			}
			return got
		}
		got := look("at first")
		got.want(t, "at first", snapshot{
			"logkeel_container_image_created_seconds{web,sha256:a}":  float64(made.Unix()),
			"logkeel_container_image_created_seconds{mate,sha256:a}": float64(made.Unix()),
			"logkeel_container_image_age_seconds{web}":               48 * 3600,
			"logkeel_container_image_outdated{web}":                  0,
			"logkeel_container_image_outdated{app}":                  0,
			"logkeel_container_image_outdated{lost}":                 0, // its name means nothing
		})
		got.none(t, "at first", "logkeel_container_image_age_seconds{app}", "logkeel_container_image_age_seconds{lost}", "logkeel_container_image_outdated{fixed}")
		slices.Sort(f.looked)
		if s := strings.Join(f.looked, " "); s != "app:2 box:1 lost:1 sha256:a sha256:b sha256:c" {
			t.Errorf("asked for %s", s)
		}

		f.looked = nil
		f.images["box:1"] = image{"sha256:d", time.Now()} // pulled
		time.Sleep(lookAgain - time.Second)
		if got = look("remembered"); len(f.looked) != 0 {
			t.Errorf("asked again for %v", f.looked)
		}
		got.want(t, "remembered", snapshot{"logkeel_container_image_outdated{web}": 0, "logkeel_container_image_outdated{app}": 0})
		time.Sleep(time.Second)
		got = look("pulled")
		got.want(t, "pulled", snapshot{"logkeel_container_image_outdated{web}": 1, "logkeel_container_image_outdated{mate}": 1, "logkeel_container_image_outdated{app}": 0})
		if len(f.looked) != 3 { // the names only
			t.Errorf("asked for %v", f.looked)
		}

		// What may not be asked costs the images only, and is said.
		f.barred, f.looked = errors.New("403 not allowed"), nil
		f.runsImage("6", "late", "sha256:e", "late:1")
		got, err := sample(t, t.Context(), s)
		if err == nil || !strings.Contains(err.Error(), "images of containers: 403 not allowed") || len(f.looked) != 1 {
			t.Errorf("not allowed: %v, asked for %v", err, f.looked)
		}
		got.want(t, "not allowed", snapshot{"logkeel_container_running{late}": 1, "logkeel_container_image_outdated{web}": 1})

		clear(f.containers)
		look("none")
		if len(s.images.byID)+len(s.images.byTag) != 0 {
			t.Errorf("kept: %v", s.images)
		}
	})
}

func TestImagesOfManyContainers(t *testing.T) {
	f := newFake()
	f.usage = func(context.Context, string) (usage, error) { return usage{cpu: 1, system: 1}, nil }
	for i := range maxMeasured {
		f.runsImage(fmt.Sprint(i), fmt.Sprintf("c%03d", i), fmt.Sprintf("sha256:%03d", i), fmt.Sprintf("app:%d", i))
	}
	s := NewStats(newCollector(t, Config{}, f), StatsConfig{Images: true})
	defer s.Close()
	for asked := 0; asked < 2*maxMeasured; {
		f.looked = nil
		if _, err := sample(t, t.Context(), s); err != nil || len(f.looked) == 0 || len(f.looked) > maxLooks {
			t.Fatalf("asked for %d images; %v", len(f.looked), err)
		}
		asked += len(f.looked)
	}
	if len(s.images.byID) != maxMeasured || len(s.images.byTag) != maxMeasured {
		t.Errorf("%d ids and %d names are known", len(s.images.byID), len(s.images.byTag))
	}
}

func TestImageAnswers(t *testing.T) {
	for _, c := range []struct {
		answer http.HandlerFunc
		want   image
		err    string
	}{
		{answer: says(`{"Id":"sha256:a","Created":"2025-01-09T14:30:00Z"}`), want: image{"sha256:a", time.Date(2025, 1, 9, 14, 30, 0, 0, time.UTC)}},
		{answer: says(`{"Id":"sha256:a","Created":"1970-01-01T00:00:00Z"}`), want: image{id: "sha256:a"}},
		{answer: says(`{"Id":"sha256:a"}`), want: image{id: "sha256:a"}},
		{answer: refuses(404, "No such image: x"), err: errGone.Error()},
		{answer: refuses(403, "not allowed"), err: "not allowed; allow the agent GET /images/{name}/json, or set collectors.docker.stats.images to false"},
		{answer: refuses(500, "broken"), err: "inspect image: Error response from daemon: broken"},
		{answer: says(`<html>`), err: "inspect image: "},
	} {
		got, err := api(t, map[string]http.HandlerFunc{"/images/box:1/json": c.answer}).Image(t.Context(), "box:1")
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || c.err == "" && (err != nil || !got.created.Equal(c.want.created) || got.id != c.want.id) {
			t.Errorf("got %v, %v, want %v, %s", got, err, c.want, c.err)
		}
	}
}
