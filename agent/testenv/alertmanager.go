package testenv

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// An AM is an Alertmanager that groups by alertname and tells a webhook, at once
// as far as it does: group_wait and group_interval are a second.
type AM struct {
	URL  string // http://127.0.0.1:port
	Hook *AMHook

	t       testing.TB
	command func() *exec.Cmd
	log     string
	running *process
}

// An AMAlert is an alert as Alertmanager shows it.
type AMAlert struct {
	Status       AMStatus
	Labels       map[string]string
	Annotations  map[string]string
	StartsAt     time.Time
	EndsAt       time.Time
	GeneratorURL string
}

// An AMStatus is firing or resolved at the webhook, and active, suppressed or
// unprocessed in Alerts.
type AMStatus string

// UnmarshalJSON takes both forms.
func (s *AMStatus) UnmarshalJSON(b []byte) error {
	var in struct{ State string }
	if err := json.Unmarshal(b, &in); err == nil {
		*s = AMStatus(in.State)
		return nil
	}
	return json.Unmarshal(b, (*string)(s))
}

// An AMNotice is one call of the webhook.
type AMNotice struct {
	Status      string
	GroupLabels map[string]string
	Alerts      []AMAlert
}

// An AMHook is the receiver at the end.
type AMHook struct {
	mu      sync.Mutex
	notices []AMNotice
}

// Notices are those that came, the oldest first.
func (h *AMHook) Notices() []AMNotice {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.notices)
}

func (h *AMHook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n AMNotice
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notices = append(h.notices, n)
}

// Alertmanager starts a server.
func Alertmanager(t testing.TB) *AM {
	t.Helper()
	bin := ""
	for _, name := range []string{"alertmanager", "prometheus-alertmanager"} {
		if path, err := exec.LookPath(name); err == nil && bin == "" {
			bin = path
		}
	}
	Need(t, "Alertmanager (prometheus-alertmanager)", bin != "")
	addr, dir := Addr(t), stateDir(t, "alertmanager")
	s := &AM{URL: "http://" + addr, Hook: &AMHook{}, t: t, log: filepath.Join(dir, "alertmanager.log")}
	hook := httptest.NewServer(s.Hook)
	t.Cleanup(hook.Close)
	// JSON is YAML, too, and needs no care with quotes.
	config, err := json.Marshal(map[string]any{
		"route": map[string]any{
			"receiver": "hook", "group_by": []string{"alertname"}, "group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h",
		},
		"receivers": []any{map[string]any{"name": "hook", "webhook_configs": []any{map[string]any{"url": hook.URL, "send_resolved": true}}}},
	})
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	s.command = func() *exec.Cmd {
		return exec.Command(bin, "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"),
			"--web.listen-address="+addr, "--cluster.listen-address=")
	}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// Start starts it again after Stop.
func (s *AM) Start() {
	s.t.Helper()
	p, err := start(s.log, s.command())
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	s.running = p
	if err := p.ready(func() error { return s.get("/-/ready", nil) }); err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
}

// Stop stops it; what it was told is kept for Start.
func (s *AM) Stop() {
	s.t.Helper()
	if s.running == nil {
		return
	}
	if err := s.running.stop(); err != nil {
		s.t.Errorf("testenv: %v", err)
	}
	s.running = nil
}

// Alerts are those that fire by its API.
func (s *AM) Alerts() (alerts []AMAlert) {
	s.t.Helper()
	if err := s.get("/api/v2/alerts", &alerts); err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	return alerts
}

func (s *AM) get(path string, into any) error {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(s.URL + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s", res.Status, body)
	case into == nil:
		return nil
	}
	return json.Unmarshal(body, into)
}
