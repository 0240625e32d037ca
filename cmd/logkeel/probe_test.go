package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// pageFormat is the operations page's curl-format.txt.
const pageFormat = `     time_namelookup:  %{time_namelookup}\n
        time_connect:  %{time_connect}\n
     time_appconnect:  %{time_appconnect}\n
    time_pretransfer:  %{time_pretransfer}\n
       time_redirect:  %{time_redirect}\n
  time_starttransfer:  %{time_starttransfer}\n
                     ----------\n
          time_total:  %{time_total}\n
`

func curl(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	_, err := exec.LookPath("curl")
	testenv.Need(t, "curl", err == nil)
	cmd := exec.CommandContext(t.Context(), "curl", append([]string{"--disable", "--noproxy", "*"}, args...)...)
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

const pageDelay = 400 * time.Millisecond

func pages(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/never" {
		<-r.Context().Done()
		return
	}
	time.Sleep(pageDelay)
	switch r.URL.Path {
	case "/redirect":
		http.Redirect(w, r, "/health?a=b", http.StatusFound)
	case "/gone":
		http.Error(w, "gone", http.StatusGone)
	default:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"status":"ok","queue_data":{"failed":2,"pending":7}}`)
	}
}

// What is printed is what curl prints, for the same server: the same text but
// for the times. Of these the same ones are none, and what the server takes each
// time is where it is in curl's; what a machine that is busy adds to them proves
// nothing. curl --fail reads no body; curl 7.88 has no time_connect where the
// handshake fails.
func TestProbePrintsWhatCurlPrints(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(pages))
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(pages))
	secure.EnableHTTP2, secure.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	dir := writeFiles(t, "curl-format.txt", pageFormat)
	file := "@" + filepath.Join(dir, "curl-format.txt")
	for _, c := range []struct {
		name, url string
		flags     []string
		code      int    // ours; curl has more of them
		but       string // what differs
	}{
		{"http", plain.URL + "/health", nil, 0, ""},
		{"not found", plain.URL + "/gone", nil, 0, ""},
		{"fail", plain.URL + "/gone", []string{"-f"}, 1, "size_download"},
		{"https", secure.URL + "/health", []string{"-k"}, 0, ""},
		{"http 1.1", secure.URL + "/health", []string{"-k", "--http1.1"}, 0, ""},
		{"unknown authority", secure.URL + "/health", nil, 1, "time_connect"},
		{"redirect", plain.URL + "/redirect", nil, 0, ""},
		{"followed", plain.URL + "/redirect", []string{"-L"}, 0, ""},
		{"refused", closed.URL + "/", nil, 1, ""},
		{"no such name", "http://nowhere.invalid/", nil, 1, ""},
		{"too slow", plain.URL + "/never", []string{"-m", "1"}, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			theirs, _ := curl(t, append([]string{"-w", file, "-o", "/dev/null", "-s", c.url}, c.flags...)...)
			ours, stderr, code := logkeel(t, dir, append([]string{"probe", c.url}, c.flags...)...)
			if code != c.code || (code == 0) != !strings.Contains(stderr, "GET http") {
				t.Errorf("exit code %d, want %d: %s", code, c.code, stderr)
			}
			if again, _, _ := logkeel(t, dir, append([]string{"probe", "-s", "-w", "@curl-format.txt", c.url}, c.flags...)...); digits.ReplaceAllString(again, "") != digits.ReplaceAllString(ours, "") {
				t.Errorf("with the file it prints\n%s", again)
			}
			if wrong := unlike(ours, theirs, c.but); wrong != "" {
				t.Errorf("%s:\n%scurl prints\n%s", wrong, ours, theirs)
			}
			sameVariables(t, c.url, c.flags, c.but)
		})
	}
}

var digits = regexp.MustCompile(`\d+\.\d{6}\b`)

// unlike says in what two outputs differ.
func unlike(ours, theirs, but string) string {
	if digits.ReplaceAllString(ours, "N") != digits.ReplaceAllString(theirs, "N") {
		return "the texts differ"
	}
	a, b := timesIn(ours), timesIn(theirs)
	for name, x := range a {
		if (x == 0) != (b[name] == 0) && name != but {
			return name + " is only in one"
		}
	}
	for _, at := range []map[string]float64{a, b} {
		delay := pageDelay.Seconds()
		if first := at["time_starttransfer"]; first > 0 && first-at["time_pretransfer"] < delay/2 {
			return "what the server takes is not between request and answer"
		}
		if redirect := at["time_redirect"]; redirect > 0 && redirect < delay/2 {
			return "what the server takes for a redirect is not in time_redirect"
		}
		for name, x := range at {
			if x > at["time_total"] {
				return name + " is more than time_total"
			}
		}
	}
	return ""
}

// timesIn are the times of an output by their names.
func timesIn(text string) map[string]float64 {
	all := map[string]float64{}
	for _, m := range regexp.MustCompile(`(time_\w+): +(\d+\.\d{6})`).FindAllStringSubmatch(text, -1) {
		all[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	return all
}

// sameVariables compares what is not a time, and what is no variable.
func sameVariables(t *testing.T, url string, flags []string, but string) {
	t.Helper()
	format := `%% %x \q \t%{unclosed %{HTTP_code} %header{content-TYPE} %header{none}|`
	for _, name := range strings.Fields("content_type exitcode http_code response_code http_connect http_version method num_connects num_headers num_redirects " +
		"redirect_url referer remote_ip remote_port local_ip scheme size_download size_upload ssl_verify_result proxy_ssl_verify_result url url_effective urlnum nonsense") {
		if name != but {
			format = name + "=%{" + name + `}\n` + format
		}
	}
	format += `\n%{onerror}failed`
	theirs, _ := curl(t, append([]string{"-w", format, "-o", "/dev/null", "-s", url}, flags...)...)
	ours, stderr, _ := logkeel(t, "", append([]string{"probe", "-w", format, url}, flags...)...)
	if ours != theirs {
		t.Errorf("it prints\n%s\ncurl prints\n%s", ours, theirs)
	}
	if !strings.Contains(stderr, "unknown --write-out variable: 'nonsense'\n") {
		t.Errorf("of nonsense it says %q", stderr)
	}
}
