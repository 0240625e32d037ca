package jobs

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// What curl says in a crontab is enough.
func TestCurl(t *testing.T) {
	dir := t.TempDir()
	s, url := serving(t, dir, `  jobs: [{name: backup, schedule: "0 2 * * *"}, {name: report}]`)
	out := newSink()
	start(t, &reader{s}, out)
	curl := func(args ...string) string {
		t.Helper()
		b, err := exec.Command("curl", append([]string{"-sS", "-m", "10"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %q: %v: %s", args, err, b)
		}
		return string(b)
	}
	for _, tt := range []struct{ args, want string }{
		{url + "/ping/backup/start", "OK\n"},
		{"-I " + url + "/ping/report", "200 OK"},
		{"--data-binary @- " + url + "/ping/backup/7", "OK\n"},
		{url + "/ping/nobody", "no job has that name; there are backup, report\n"},
		{url + "/ping/backup/256", "an exit code is 0 to 255\n"},
		{url + "/ping/backup/maybe", usage + "\n"},
		{url + "/ping/", "a job's name is of letters"},
		{url + "/ping/..%2f..%2fetc", "a job's name is of letters"},
		{url + "/", usage + "\n"},
		{"-X DELETE " + url + "/ping/backup", "use GET or POST\n"},
		{"-H Origin:http://evil.example " + url + "/ping/backup", "this is for jobs"},
		{url + "/ping/backup?rid=a%20b", "rid is of letters"},
		{url + "/ping/backup?started=1", "not longer ago than a month"},
		{url + "/ping/backup?started=NaN", "not longer ago than a month"},
		{url + "/ping/backup?started=1e300", "not longer ago than a month"},
	} {
		args := strings.Fields(tt.args)
		if strings.Contains(tt.args, "@-") {
			args[1] = "dumping\r\ndisk is full\n"
		}
		if got := curl(args...); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.args, got, tt.want)
		}
	}
	got, notes := samples(t, s)
	want(t, got, map[string]float64{
		"logkeel_jobs_up":                       1,
		"logkeel_job_failed backup":             1,
		"logkeel_job_last_exit_code backup":     7,
		"logkeel_job_runs_total backup failure": 1,
		"logkeel_job_runs_total report success": 1,
		"logkeel_job_running backup":            0,
		"logkeel_job_missed backup":             0,
	})
	if n := notes["logkeel_job_failed backup"]; n != "exit code 7; its output ends: dumping / disk is full" {
		t.Errorf("the note is %q", n)
	}
	if _, ok := got["logkeel_job_missed report"]; ok {
		t.Error("a job without a schedule may be missed")
	}
	if got := out.await(t, 2); got != "jobs/backup: dumping\njobs/backup: disk is full" {
		t.Errorf("the lines are\n%s", got)
	}
	// The next agent knows it.
	got, _ = samples(t, sampler(t, dir, `  jobs: [{name: backup, schedule: "0 2 * * *"}, {name: report}]`))
	want(t, got, map[string]float64{"logkeel_job_failed backup": 1, "logkeel_job_runs_total backup failure": 1, "logkeel_jobs_up": 0})
}

func TestToken(t *testing.T) {
	_, url := serving(t, t.TempDir(), "  token: hunter2\n  any: true")
	for header, want := range map[string]int{"": 401, "Bearer hunter": 401, "hunter2": 401, "Bearer hunter2": 200} {
		r, _ := http.NewRequest(http.MethodPost, url+"/ping/backup", nil)
		r.Header.Set("Authorization", header)
		resp, err := http.DefaultClient.Do(r)
		if got := status(t, resp, err); got != want {
			t.Errorf("with %q it answers %d, want %d", header, got, want)
		}
	}
}

// Names that are not listed are taken where that is wanted: so many.
func TestAny(t *testing.T) {
	dir := t.TempDir()
	s, url := serving(t, dir, "  any: true")
	out := newSink()
	start(t, &reader{s}, out)
	codes := map[int]int{}
	for i := range maxJobs + 10 {
		r, err := http.Post(fmt.Sprintf("%s/ping/job%d", url, i), "text/plain", strings.NewReader("done"))
		codes[status(t, r, err)]++
	}
	if codes[200] != maxJobs || codes[503] != 10 {
		t.Errorf("the answers are %v", codes)
	}
	out.await(t, maxJobs)
	again := sampler(t, dir, "  any: true")
	if n := len(again.book.jobs); n != maxJobs {
		t.Errorf("%d are known after a restart", n)
	}
	if n := len(sampler(t, dir, "  jobs: [{name: job1}]").book.jobs); n != 1 {
		t.Errorf("%d are known where any is not set", n)
	}
}

// Of a body that is larger than is kept the end is kept, and no memory is used for
// the rest.
func TestLargeBody(t *testing.T) {
	s, url := serving(t, t.TempDir(), "  jobs: [{name: backup}]")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, size := range []int64{MaxOutput, 5 << 20, maxBody + 5<<20} {
		body := io.MultiReader(io.LimitReader(repeat("a line of output\n"), size), strings.NewReader("the last line\n"))
		req, _ := http.NewRequest(http.MethodPost, url+"/ping/backup/1", body)
		resp, err := http.DefaultClient.Do(req)
		if err != nil && size > maxBody {
			continue // the server has closed while we were writing
		}
		if got := status(t, resp, err); got != 200 {
			t.Errorf("%d bytes: %d", size, got)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
	got, notes := samples(t, s)
	want(t, got, map[string]float64{"logkeel_job_runs_total backup failure": 3})
	if n := notes["logkeel_job_failed backup"]; !strings.Contains(n, "a line of output") {
		t.Errorf("the note is %q", n)
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if b := s.book.jobs["backup"].out.bytes; b > 3*MaxOutput || b == 0 {
		t.Errorf("%d bytes are kept", b)
	}
}

type repeat string

func (r repeat) Read(p []byte) (n int, err error) {
	for len(p)-n >= len(r) {
		n += copy(p[n:], r)
	}
	if n == 0 {
		n = copy(p, r)
	}
	return n, nil
}

// Clients that say nothing, little, or break off tell nothing, hold up nobody for
// ever, and leave nothing behind.
func TestHostileClients(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	s := sampler(t, dir, "  jobs: [{name: backup}]")
	stop := start(t, &listener{s}, nil)
	for s.Addr() == "" {
		time.Sleep(time.Millisecond)
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, text := range []string{
		"POST /ping/backup HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nbroken off",
		"\x00\x01\x02\r\n\r\n",
		"GET /ping/backup HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"GET /ping/" + strings.Repeat("a", 20<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		c := dial()
		_, _ = io.WriteString(c, text)
		c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	}
	var silent []net.Conn
	for range maxConns + 50 {
		silent = append(silent, dial())
	}
	for _, c := range silent[:maxConns] {
		fmt.Fprint(c, "POST /ping/backup HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
	}
	for _, c := range silent {
		c.Close()
	}
	r, err := http.Post("http://"+s.Addr()+"/ping/backup", "", nil)
	if got := status(t, r, err); got != 200 {
		t.Errorf("a job is answered %d", got)
	}
	http.DefaultClient.CloseIdleConnections()
	got, _ := samples(t, s)
	want(t, got, map[string]float64{"logkeel_job_runs_total backup success": 1, "logkeel_job_runs_total backup failure": 0})
	held := dial() // and the agent stops all the same
	defer held.Close()
	fmt.Fprint(held, "POST /ping/backup HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
	stop()
	testenv.WantGoroutines(t, before)
}

// Many that tell at once are all counted.
func TestManyAtOnce(t *testing.T) {
	s, url := serving(t, t.TempDir(), "  jobs: [{name: a}, {name: b}]")
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			for _, what := range []string{"/start", ""} {
				r, err := http.Post(fmt.Sprintf("%s/ping/%s%s?rid=%d", url, []string{"a", "b"}[i%2], what, i), "", nil)
				if got := status(t, r, err); got != 200 {
					t.Errorf("%d", got)
				}
			}
		})
	}
	all.Wait()
	got, _ := samples(t, s)
	if n := got["logkeel_job_runs_total a success"] + got["logkeel_job_runs_total b success"]; n != 60 {
		t.Errorf("%v are counted: %v", n, got)
	}
}

func TestSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	s := sampler(t, dir, "  any: true")
	s.c.Listen = "unix://" + path
	stop := start(t, &listener{s}, nil)
	for s.Addr() == "" {
		time.Sleep(time.Millisecond)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	if b, err := exec.Command("curl", "-sS", "-m", "10", "--unix-socket", path, "http://x/ping/a").CombinedOutput(); err != nil || string(b) != "OK\n" {
		t.Errorf("curl: %v %s", err, b)
	}
	other := sampler(t, t.TempDir(), "  any: true")
	other.c.Listen = s.c.Listen
	if err := (&listener{other}).Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "somebody else listens there") {
		t.Errorf("a second one says %v", err)
	}
	got, notes := samples(t, other)
	want(t, got, map[string]float64{"logkeel_jobs_up": 0})
	if n := notes["logkeel_jobs_up"]; !strings.Contains(n, "somebody else listens there") {
		t.Errorf("the note is %q", n)
	}
	stop()
}

func TestAddressTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := sampler(t, t.TempDir(), "  any: true")
	s.c.Listen = ln.Addr().String()
	err = (&listener{s}).Run(t.Context(), nil)
	testenv.WantError(t, err, "collectors.jobs: listen", "address already in use", "choose another")
}

// Whatever is asked for, it is answered, and only what is listed is noted.
func FuzzPing(f *testing.F) {
	for _, s := range []string{"/ping/backup", "/ping/backup/start?rid=1", "/ping/backup/12?started=1", "/ping/%2e%2e/x", "/ping//", "//ping/backup", "/ping/backup/+1", "/ping/backup/-0"} {
		f.Add(s, "some\noutput")
	}
	s := sampler(f, f.TempDir(), "  jobs: [{name: backup}]")
	f.Fuzz(func(t *testing.T, target, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader([]byte(body)))
		u, err := r.URL.Parse(target)
		if err != nil {
			return
		}
		r.URL = u
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 404 && w.Code != 400 {
			t.Errorf("%q is answered %d", target, w.Code)
		}
		if w.Code == 200 && !strings.HasPrefix(u.Path, "/ping/backup") {
			t.Errorf("%q is OK", target)
		}
		s.book.mu.Lock()
		defer s.book.mu.Unlock()
		if j := s.book.jobs["backup"]; len(s.book.jobs) != 1 || len(j.Running) > maxRunning || len(j.Finished) > maxFinished || len(j.Why) > 1000 {
			t.Errorf("%d jobs, %+v", len(s.book.jobs), j.state)
		}
	})
}
