package probe

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

const (
	redirectDelay = 400 * time.Millisecond
	firstDelay    = 500 * time.Millisecond
	bodyDelay     = 400 * time.Millisecond
	// tolerance is how far apart curl's times and ours may be, in seconds. Each
	// delay is longer, so that none can be counted in another place.
	tolerance = 0.3
)

func slow(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/redirect" {
		time.Sleep(redirectDelay)
		http.Redirect(w, r, "/", http.StatusFound)
		return
	}
	time.Sleep(firstDelay)
	io.WriteString(w, "first")
	w.(http.Flusher).Flush()
	time.Sleep(bodyDelay)
	io.WriteString(w, "last")
}

// TestAgainstCurl asks the same server with curl -w and compares all of it.
func TestAgainstCurl(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("curl")
	testenv.Need(t, "curl", err == nil)
	for _, c := range []struct {
		name, path    string
		secure, http2 bool
		starttransfer time.Duration // at least
		redirect      time.Duration
	}{
		{name: "plain", path: "/", starttransfer: firstDelay},
		{name: "redirect", path: "/redirect", starttransfer: redirectDelay + firstDelay, redirect: redirectDelay},
		{name: "TLS", path: "/redirect", secure: true, starttransfer: redirectDelay + firstDelay, redirect: redirectDelay},
		{name: "HTTP2", path: "/redirect", secure: true, http2: true, starttransfer: redirectDelay + firstDelay, redirect: redirectDelay},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(http.HandlerFunc(slow))
			srv.EnableHTTP2 = c.http2
			item := ""
			if c.secure {
				srv.StartTLS()
				item = "\ntls: {insecure_skip_verify: true}"
			} else {
				srv.Start()
			}
			defer srv.Close()
			s := sampler(t, "url: "+srv.URL+c.path+item)
			// A machine that is busy for a moment proves nothing about either.
			// What is counted in a wrong place is so each time.
			got, wrong := differences(t, s, srv.URL+c.path)
			for end := time.Now().Add(time.Minute); len(wrong) > 0 && time.Now().Before(end); {
				got, wrong = differences(t, s, srv.URL+c.path)
			}
			for _, w := range wrong {
				t.Error(w)
			}
			ascending(t, got)
			if at := got["logkeel_http_time_seconds{starttransfer}"]; at < c.starttransfer.Seconds() {
				t.Errorf("starttransfer is %v, want %v and more", at, c.starttransfer)
			}
			if at := got["logkeel_http_time_seconds{redirect}"]; at < c.redirect.Seconds() || c.redirect == 0 && at != 0 {
				t.Errorf("redirect is %v, want %v", at, c.redirect)
			}
		})
	}
}

// differences asks with both, and says in what ours is another than curl's.
func differences(t *testing.T, s *Sampler, url string) (got snapshot, wrong []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "curl", "--disable", "--noproxy", "*", "-sS", "-k", "-L", "-o", "/dev/null", "-w", "%{json}", url).Output()
	if err != nil {
		t.Fatalf("curl: %v", err)
	}
	var curl map[string]any
	if err := json.Unmarshal(out, &curl); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, err = sample(t, t.Context(), s); err != nil {
		t.Fatal(err)
	}
	compare := func(name, key string, by float64) {
		theirs, ok := curl[name].(float64)
		if ours, there := got[key]; !ok || !there || math.Abs(ours-theirs) > by {
			wrong = append(wrong, show(key)+" differs from "+name+": "+show(got[key])+", curl has "+show(curl[name]))
		}
	}
	for _, point := range []string{"namelookup", "connect", "appconnect", "pretransfer", "redirect", "starttransfer", "total"} {
		compare("time_"+point, "logkeel_http_time_seconds{"+point+"}", tolerance)
	}
	compare("http_code", "probe_http_status_code", 0)
	compare("num_redirects", "probe_http_redirects", 0)
	compare("size_download", "probe_http_uncompressed_body_length", 0)
	if version := map[float64]string{1.1: "1.1", 2: "2"}[got["probe_http_version"]]; version != curl["http_version"] {
		wrong = append(wrong, "curl speaks HTTP/"+show(curl["http_version"])+", we "+version)
	}
	if p := got["probe_http_duration_seconds{transfer}"]; p < bodyDelay.Seconds()/2 {
		wrong = append(wrong, "transfer took "+show(p)+" s")
	}
	return got, wrong
}
