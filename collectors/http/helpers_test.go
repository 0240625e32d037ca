package probe

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// config reads an item as it stands in a file.
func config(t testing.TB, text string) (Config, error) {
	t.Helper()
	var file struct {
		HTTP []Config `yaml:"http"`
	}
	item := "http:\n  - " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
	env := func(name string) (string, bool) { return "s3cret-" + name, true }
	d, err := conf.Decode("agent.yaml", []byte(item), &file, conf.Options{Env: env})
	if err != nil {
		return Config{}, err
	}
	return file.HTTP[0], file.HTTP[0].Check(d, "http[0]")
}

func sampler(t testing.TB, text string) *Sampler {
	t.Helper()
	c, err := config(t, text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type snapshot map[string]float64

// sample probes; the keys are as name{label value}.
func sample(t testing.TB, ctx context.Context, s *Sampler) (snapshot, error) {
	t.Helper()
	all := snapshot{}
	err := s.Sample(ctx, func(x agent.Sample) {
		key := x.Name
		if len(x.Labels) > 0 {
			key += "{" + x.Labels[0].Value + "}"
		}
		if _, twice := all[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		all[key] = x.Value
	})
	if err == nil != (all["probe_success"] == 1) {
		t.Errorf("probe_success is %v with error %v", all["probe_success"], err)
	}
	return all, err
}

func (s snapshot) want(t testing.TB, want snapshot) {
	t.Helper()
	for k, v := range want {
		if got, ok := s[k]; !ok || got != v {
			t.Errorf("%s is %v (there: %v), want %v", k, got, ok, v)
		}
	}
}

func says(t testing.TB, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v\ndoes not say %s", err, p)
		}
	}
}

func serve(t testing.TB, do http.HandlerFunc) string {
	srv := httptest.NewServer(do)
	t.Cleanup(srv.Close)
	return srv.URL
}

func text(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}
