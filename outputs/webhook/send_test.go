package webhook

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/notify"
)

// made is the output of a section, without a queue.
func made(t *testing.T, section string) *Output {
	t.Helper()
	c := mustLoad(t, section)
	o, err := configured(&c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.sender.client.CloseIdleConnections)
	return o
}

// isRefused reports whether a queue would not try again.
func isRefused(err error) bool {
	return reflect.TypeOf(err) == reflect.TypeOf(notify.Refused(io.EOF))
}

const secrets = "bearer_token: s3cr3t-bearer\nsign_with: s3cr3t-key\nheaders: [{name: X-Key, value: s3cr3t-header}]\n"

func TestAnswers(t *testing.T) {
	const long = `{"error": "no \u001b[31m` + "\x1b[31m\r\n" + `<b> s3cr3t-header s3cr3t-bearer /T0/s3cr3t-path?token=s3cr3t-query s3cr3t-path"}`
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		want    string // of the error, after the address
		refused bool
	}{
		{"200", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") }, "", false},
		{"204", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }, "", false},
		{"302", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example.com/s3cr3t-query", http.StatusFound)
		}, ": 302 Found, to https://login.example.com, which is not followed; is the url right?", false},
		{"307 to another host", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:9/s3cr3t-query", http.StatusTemporaryRedirect)
		}, ": 307 Temporary Redirect, to http://127.0.0.1:9, which is not followed; is the url right?", false},
		{"307 on the host", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/new" {
				http.Redirect(w, r, "/new", http.StatusTemporaryRedirect)
			} else if body, _ := io.ReadAll(r.Body); r.Method != "POST" || len(body) == 0 || r.Header.Get("X-Key") != "s3cr3t-header" {
				w.WriteHeader(400)
			}
		}, "", false},
		{"redirects for ever", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/T0", http.StatusPermanentRedirect) }, ": 308 Permanent Redirect, to http://", false},
		{"400", func(w http.ResponseWriter, r *http.Request) { http.Error(w, long, 400) }, `: 400 Bad Request: {"error": "no \u001b[31m\x1b[31m <b> <secret> <secret> <secret>`, true},
		{"401", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) }, ": 401 Unauthorized", true},
		{"404", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no\nsuch hook", 404) }, ": 404 Not Found: no such hook", true},
		{"408", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(408) }, ": 408 Request Timeout", false},
		{"425", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(425) }, ": 425 Too Early", false},
		{"429", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(429) }, ": 429 Too Many Requests", false},
		{"500", func(w http.ResponseWriter, r *http.Request) { http.Error(w, strings.Repeat("x", 1<<20), 500) }, ": 500 Internal Server Error: " + strings.Repeat("x", maxShown-1) + "…", false},
		{"a secret is cut", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, strings.Repeat(" ", maxAnswer-8)+"s3cr3t-bearer", 400)
		}, ": 400 Bad Request", true},
		{"reset", func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.(*net.TCPConn).SetLinger(0)
				_ = conn.Close()
			}
		}, ": ", false},
		{"hang", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // before that the server does not see that the client is gone
			<-r.Context().Done()
		}, ": context deadline exceeded", false},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			o := made(t, "name: chat\ntimeout: 1s\nurl: "+server.URL+"/T0/s3cr3t-path?token=s3cr3t-query\n"+secrets)
			n := samples()[0]
			err := o.tell(t.Context(), &n)
			if c.want == "" {
				if err != nil || o.sent.Load() != 1 {
					t.Fatal(err, o.sent.Load())
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), server.URL+c.want) {
				t.Errorf("the error is %s\nwant %s", err, server.URL+c.want)
			}
			if got := err.Error(); strings.Contains(got, "s3cr3t") || strings.ContainsAny(got, "\r\n\x1b") || len(got) > 1000 {
				t.Errorf("the error shows too much: %q", got)
			}
			if isRefused(err) != c.refused {
				t.Errorf("refused is %t: %s", isRefused(err), err)
			}
			if o.sent.Load() != 0 {
				t.Error("it counts as sent")
			}
		})
	}
}

// A proxy may show what it was sent, in the form in which it was.
func TestBasicIsHidden(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.Header.Get("Authorization"), 400)
	}))
	defer server.Close()
	for _, section := range []string{
		"url: " + server.URL + "\nusername: agent\npassword: s3cr3t-word\n",
		"url: " + strings.Replace(server.URL, "://", "://agent:s3cr3t-word@", 1) + "\n",
	} {
		n := samples()[0]
		err := made(t, "name: chat\n"+section).tell(t.Context(), &n)
		if want := server.URL + ": 400 Bad Request: Basic <secret>"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 0.5 ": 500 * time.Millisecond, "-3": 0, "1e300": time.Hour, "NaN": 0, "x": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:05 GMT": 0, "Fri, 02 Jan 2099 03:00:05 GMT": time.Hour,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q is %s, want %s", header, got, want)
		}
	}
}

// A receiver that says when it wants to be asked again is not asked before.
func TestPutOff(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Retry-After", "100")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	o := made(t, "name: chat\nurl: "+server.URL)
	n := samples()[0]
	for range 3 {
		if err := o.tell(t.Context(), &n); err == nil || isRefused(err) {
			t.Error(err)
		}
	}
	if asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
	o.sender.putOff = time.Now()
	if err := o.tell(t.Context(), &n); err == nil || asked != 2 {
		t.Errorf("it is not asked after that: %d, %v", asked, err)
	}
}

var _ notify.Send = (*Output)(nil).tell
