package heartbeat

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

const token = "5e5e5e5e-1234-secret"

// A service is a server that counts what it is asked, by method and URI.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func (s *service) note(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf("%s %s %q referer=%q", r.Method, r.RequestURI, body, r.Referer()))
}

func (s *service) list() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, "\n")
}

// serve starts a service on loopback; with TLS it returns its authority's file.
func serve(t *testing.T, secure bool, answer http.HandlerFunc) (s *service, ca string) {
	t.Helper()
	s = &service{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.note(r)
		answer(w, r)
	})
	if !secure {
		s.Server = httptest.NewServer(h)
	} else {
		s.Server = httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // a client that trusts it not is tested
		s.StartTLS()
		ca = filepath.Join(t.TempDir(), "ca.pem")
		cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		if err := os.WriteFile(ca, cert, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Close)
	return s, ca
}

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") }

func config(url string) Config {
	var c Config
	c.SetDefaults()
	c.Name, c.URL = "hc", conf.NewSecret(url)
	return c
}

// beatOnce makes the heartbeat, has it beat once, and returns what was logged.
func beatOnce(t *testing.T, c Config, meter func(func(agent.Sample))) (o *Output, heard bool, logged string) {
	t.Helper()
	var b bytes.Buffer
	o, err := New(c, meter, slog.New(slog.NewTextHandler(&b, nil)))
	if err != nil {
		t.Fatal(err)
	}
	heard = o.beat(t.Context())
	return o, heard, b.String()
}

func TestPing(t *testing.T) {
	for _, c := range []struct {
		method, want string
	}{
		{"GET", `GET /` + token + ` "" referer=""`},
		{"HEAD", `HEAD /` + token + ` "" referer=""`},
		{"POST", `POST /` + token + ` "logkeel is watching: 2 logs are open, 7 lines were read since it was started\n" referer=""`},
	} {
		s, _ := serve(t, false, ok)
		conf := config(s.URL + "/" + token)
		conf.Method = c.method
		if _, heard, logged := beatOnce(t, conf, well); !heard || logged != "" || s.list() != c.want {
			t.Errorf("%s: heard is %v\n%s\nwant\n%s\nlogged: %s", c.method, heard, s.list(), c.want, logged)
		}
	}
}

// TestWhatIsNotTaken: each is a failure that is said and counted, and nobody who
// reads the log gets to know the URL.
func TestWhatIsNotTaken(t *testing.T) {
	elsewhere, _ := serve(t, false, ok)
	closed := testenv.Addr(t)
	loop := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.RequestURI+"x", http.StatusFound) }
	for _, c := range []struct {
		name   string
		secure bool
		trust  bool
		answer http.HandlerFunc
		want   string
	}{
		{"not found", false, false, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no "+r.RequestURI, http.StatusNotFound) }, `it answers 404 Not Found: \"no …\"`},
		{"a login", false, false, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
		}, `it answers 403 Forbidden: \"Basic …\"`},
		{"a secret across the end of what is shown", false, false, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, strings.Repeat("x", 190)+r.RequestURI, http.StatusForbidden)
		}, strings.Repeat("x", 190) + `…\"`},
		{"a secret across the end of what is read", false, false, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, strings.Repeat(" ", maxRead-10)+r.RequestURI, http.StatusForbidden)
		}, `it answers 403 Forbidden"`},
		{"hangs", false, false, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 1s"},
		{"redirects without an end", false, false, loop, "more than 3 redirects"},
		{"redirects nowhere", false, false, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://[::"+r.RequestURI)
			w.WriteHeader(http.StatusFound)
		}, "Location"},
		{"leads away from https", true, true, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.RequestURI, http.StatusFound)
		}, "a redirect leads away from https"},
		{"a certificate of nobody", true, false, ok, "certificate"},
		{"hangs up", false, false, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"nobody listens", false, false, nil, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := "http://" + closed
			conf := config("")
			if c.answer != nil {
				s, ca := serve(t, c.secure, c.answer)
				if to = s.URL; c.trust {
					conf.TLS = &tlsconf.Config{CAFile: ca}
				}
			}
			to = strings.Replace(to, "://", "://agent:"+token+"@", 1)
			conf.URL = config(to + "/api/" + token + "?key=another-secret").URL
			conf.Timeout = 60e9
			if c.name == "hangs" { // all others answer, however slow this machine is
				conf.Timeout = 1e9
			}
			o, heard, logged := beatOnce(t, conf, well)
			if heard || strings.Count(logged, "\n") != 1 || !strings.Contains(logged, c.want) {
				t.Errorf("heard is %v; logged %s, want %s", heard, logged, c.want)
			}
			if strings.Contains(logged, token[:6]) || strings.Contains(logged, "another-secret") || strings.Contains(logged, "YWdlbnQ6") {
				t.Errorf("the log gives it away: %s", logged)
			}
			got := samples(o)
			if got[`logkeel_heartbeat_failed_total`] != 1 || got[`logkeel_heartbeat_sent_total{alive}`] != 0 || got[`logkeel_output_stalled_seconds{heartbeat}`] <= 0 {
				t.Errorf("counted %v", got)
			}
		})
	}
	if elsewhere.list() != "" {
		t.Errorf("another server was asked: %s", elsewhere.list())
	}
}

// TestRedirected: a service may move, and the new place does not get to know the
// old URL.
func TestRedirected(t *testing.T) {
	to, _ := serve(t, false, ok)
	from, _ := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to.URL+"/moved", http.StatusTemporaryRedirect)
	})
	o, heard, logged := beatOnce(t, config(from.URL+"/"+token), well)
	if !heard || logged != "" || to.list() != `GET /moved "" referer=""` {
		t.Errorf("heard is %v: %s; logged %s", heard, to.list(), logged)
	}
	got := samples(o)
	if age := float64(time.Now().Unix()) - got["logkeel_heartbeat_last_success_timestamp_seconds"]; got["logkeel_heartbeat_sent_total{alive}"] != 1 || age < 0 || age > 60 {
		t.Errorf("counted %v", got)
	}
}

func TestByTLS(t *testing.T) {
	s, ca := serve(t, true, ok)
	c := config(s.URL + "/" + token)
	c.TLS = &tlsconf.Config{CAFile: ca}
	if _, heard, logged := beatOnce(t, c, well); !heard || logged != "" {
		t.Errorf("heard is %v; logged %s", heard, logged)
	}
}

// samples are those of the output, by name and the labels but its own.
func samples(o *Output) map[string]float64 {
	all := map[string]float64{}
	o.Meter(func(s agent.Sample) {
		name := s.Name
		for _, l := range s.Labels[1:] {
			name += "{" + l.Value + "}"
		}
		all[name] = s.Value
	})
	return all
}
