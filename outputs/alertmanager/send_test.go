package alertmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// peer answers as an instance, without a network.
type peer struct {
	mu      sync.Mutex
	answer  func(batch []payload) (int, string)
	batches [][]payload
	at      []time.Time
	auth    string
}

func (p *peer) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var batch []payload
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
		return nil, err
	}
	p.auth = r.Header.Get("Authorization")
	p.at = append(p.at, time.Now())
	w := httptest.NewRecorder()
	if p.answer != nil {
		code, says := p.answer(batch)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, says)
	}
	if w.Code == http.StatusOK {
		p.batches = append(p.batches, batch)
	}
	return w.Result(), nil
}

// taken are the alerts that it took, by their label id, the newest state of each.
func (p *peer) taken() map[string]payload {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]payload{}
	for _, b := range p.batches {
		for _, one := range b {
			all[one.Labels["id"]] = one
		}
	}
	return all
}

// bench runs an output with peers in a bubble of its own time.
func bench(t *testing.T, dir string, log io.Writer, peers ...*peer) (o *Output, stop func()) {
	t.Helper()
	var urls []string
	for i := range peers {
		urls = append(urls, fmt.Sprintf("http://am%d:9093", i))
	}
	c := config(urls...)
	c.ResendInterval, c.BearerToken = conf.Duration(time.Minute), conf.NewSecret("5e5e5e-token")
	o, err := New(c, dir, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range peers {
		o.instances[i].client.Transport = p
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	return o, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

// pass lets time go by, and all that is done until then be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// What fires is sent again each minute and would end by itself after four; what is
// over is sent once, and forgotten.
func TestSendsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{}
		o, stop := bench(t, t.TempDir(), io.Discard, p)
		defer stop()
		a := incident("Fire", "1", 1)
		a.Labels = []agent.Label{{Name: "container", Value: "web"}}
		notify(t, o, a)
		begun := time.Now()
		pass(5*time.Minute + time.Second)
		if len(p.batches) != 6 {
			t.Errorf("sent %d times in five minutes", len(p.batches))
		}
		if one := p.batches[0][0]; p.at[0].Sub(begun) > time.Second || one.EndsAt.Sub(p.at[0]) != 4*time.Minute || !one.StartsAt.Equal(a.Starts) {
			t.Errorf("%v after it began: %+v", p.at[0].Sub(begun), one)
		}
		if p.auth != "Bearer 5e5e5e-token" {
			t.Errorf("authorization %q", p.auth)
		}
		b := over(a)
		b.Count, b.Labels = 7, []agent.Label{{Name: "container", Value: "other"}}
		notify(t, o, b)
		pass(10 * time.Minute)
		last := p.batches[6]
		if len(p.batches) != 7 || !last[0].EndsAt.Equal(b.Ended) || last[0].Labels["container"] != "web" || !strings.Contains(last[0].Annotations["description"], "7 times") {
			t.Errorf("%d sendings, the last %+v", len(p.batches), last)
		}
		notify(t, o, a) // an older state, as after a kill of the rules
		pass(time.Minute)
		if len(p.batches) != 7 || len(o.store.byID) != 0 {
			t.Errorf("%d sendings, %d kept", len(p.batches), len(o.store.byID))
		}
	})
}

// One alert that is refused keeps no other from being sent.
func TestRefusedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{answer: func(batch []payload) (int, string) {
			for _, one := range batch {
				if one.Labels["id"] == "13" {
					return 400, `{"code":601,"message":"bad label, token 5e5e5e-token"}`
				}
			}
			return 200, ""
		}}
		var log strings.Builder
		o, stop := bench(t, t.TempDir(), &log, p)
		for i := range 100 {
			notify(t, o, incident("Fire", fmt.Sprint(i), 1))
		}
		pass(10 * time.Minute)
		stop()
		if n := len(p.taken()); n != 99 || o.instances[0].refused.Load() != 1 {
			t.Errorf("%d taken, %d refused", n, o.instances[0].refused.Load())
		}
		if n := strings.Count(log.String(), "bad label"); n != 1 || strings.Contains(log.String(), "5e5e5e") {
			t.Errorf("said %d times:\n%s", n, log.String())
		}
	})
}

// An instance that fails is asked less and less often, and does not hold up others.
func TestBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var code atomic.Int64
		code.Store(503)
		away, there := &peer{answer: func([]payload) (int, string) { return int(code.Load()), "" }}, &peer{}
		o, stop := bench(t, t.TempDir(), io.Discard, away, there)
		defer stop()
		a := incident("Fire", "1", 1)
		notify(t, o, a)
		for range 3600 {
			pass(time.Second)
			a.Revision++
			notify(t, o, a)
		}
		if n := len(away.at); n < 60 || n > 90 {
			t.Errorf("asked %d times in an hour", n)
		}
		if n := len(there.batches); n != 61 && n != 60 {
			t.Errorf("the other one got %d", n)
		}
		notify(t, o, over(a))
		pass(time.Hour)
		code.Store(429)
		pass(time.Hour)
		code.Store(200)
		pass(3 * time.Minute)
		if len(away.batches) < 2 || !away.taken()["1"].EndsAt.Before(time.Now().Add(-time.Hour)) || o.Kept() != "" {
			t.Errorf("%d batches, kept %q, %+v", len(away.batches), o.Kept(), away.taken()["1"])
		}
		a = incident("Flood", "2", 1)
		code.Store(503)
		notify(t, o, a, over(a))
		pass(25 * time.Hour)
		if o.Kept() != "" || o.expired != 1 {
			t.Errorf("kept %q, expired %d", o.Kept(), o.expired)
		}
	})
}

// A proxy may show what it was sent, in the form in which it was.
func TestSecretsAreHidden(t *testing.T) {
	const word = "s3\"cr\\3t"
	for name, c := range map[string]Config{
		"basic": {Username: "agent", Password: conf.NewSecret(word)}, "bearer": {BearerToken: conf.NewSecret(word)},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.Header.Get("Authorization"), http.StatusBadGateway)
		}))
		defer server.Close()
		c.URLs, c.Timeout = conf.Strings{server.URL}, conf.Duration(time.Minute)
		o, err := newOutput(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		err = o.instances[0].post(t.Context(), []payload{})
		if err == nil || !strings.HasPrefix(err.Error(), "it answers 502 Bad Gateway: \"B") || !strings.HasSuffix(err.Error(), " …\"") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was taken outlives a kill; what the agent knows nothing of is over.
func TestOutlivesKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p := &peer{}
		o, stop := bench(t, dir, io.Discard, p)
		notify(t, o, incident("Fire", "1", 1), incident("Fire", "2", 1))
		pass(2 * time.Minute)
		notify(t, o, incident("Fire", "3", 1))
		file := filepath.Join(dir, "alertmanager-am", "alerts.json")
		data, err := os.ReadFile(file) // as a kill leaves it
		if err != nil || strings.Contains(string(data), "5e5e5e") {
			t.Errorf("%v, or a secret: %s", err, data)
		}
		stop()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p = &peer{}
		o, stop = bench(t, dir, io.Discard, p)
		if err := o.Reconcile(t.Context(), map[string]bool{"Fire/1": true, "Fire/3": true}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		now := p.taken()
		if len(now) != 3 || now["2"].EndsAt.After(time.Now()) || !now["1"].EndsAt.After(time.Now()) || !now["3"].EndsAt.After(time.Now()) {
			t.Errorf("%+v", now)
		}
		stop()
		if err := os.WriteFile(file, data[:len(data)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		_, stop = bench(t, dir, &log, &peer{})
		stop()
		if !strings.Contains(log.String(), "is damaged") {
			t.Errorf("nothing is said of a damaged file: %s", log.String())
		}
	})
}
