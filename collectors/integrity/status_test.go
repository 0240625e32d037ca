package integrity

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

func findingSeries(st *status, now time.Time) map[string]float64 {
	got := map[string]float64{}
	for _, s := range st.series(now) {
		got[testenv.Series(s)] = s.Value
	}
	return got
}

// TestFindingsEnd: a finding is 1 for an hour, and 0 for ten minutes, so that an
// alert on it ends.
func TestFindingsEnd(t *testing.T) {
	s := New(Config{Name: "x"}, "/", t.TempDir(), testLog())
	at := time.Unix(1e9, 0)
	s.now = func() time.Time { return at }
	w := newWatch(s.c, "/")
	c := w.newCheck()
	for range maxFindings + 5 {
		c.batch.add(finding{at: at, path: "/" + strings.Repeat("a", c.batch.total()+1), kind: kindChanged})
	}
	s.publish(w, c)
	got := findingSeries(&s.status, at.Add(time.Minute))
	if len(got) != maxFindings+1 || got[series("/a", "changed")] != 1 || got[series("(other)", "changed")] != 1 {
		t.Errorf("got %v", got)
	}
	later := at.Add(shownFor)
	if got := findingSeries(&s.status, at.Add(shownFor-time.Second)); got[series("/a", "changed")] != 1 {
		t.Errorf("within the hour: %v", got)
	}
	if got := findingSeries(&s.status, later); len(got) != maxFindings+1 || got[series("/a", "changed")] != 0 || got[series("(other)", "changed")] != 0 {
		t.Errorf("after an hour: %v", got)
	}
	if got := findingSeries(&s.status, later.Add(clearFor)); len(got) != 0 {
		t.Errorf("after that: %v", got)
	}
	n := -1
	s.Records(func(f []agent.Field) {
		if n++; n == maxFindings+1 && (f[1].Value != "more" || f[2] != (agent.Field{Name: "changed", Value: int64(5)})) {
			t.Errorf("the last record is %v", f)
		}
	})
	if n != maxFindings+1 {
		t.Errorf("%d records", n)
	}
}

// TestGraveFindingsStay: what is new does not put away what is worse.
func TestGraveFindingsStay(t *testing.T) {
	at := time.Unix(1e9, 0)
	var b batch
	b.add(finding{at: at, path: "/owner", kind: kindOwner})
	kept, _ := remember(nil, &b, at)
	for i := range 3 * maxFindings {
		b = batch{}
		b.add(finding{at: at.Add(time.Duration(i)), path: strings.Repeat("a", i+1), kind: kindChanged})
		kept, _ = remember(kept, &b, at)
	}
	if len(kept) != maxFindings || kept[0].path != "/owner" || kept[1].path != strings.Repeat("a", 3*maxFindings) {
		t.Errorf("kept are %v", kept)
	}
}

func TestPendingIsBounded(t *testing.T) {
	var st status
	for i := range 2 * maxPending {
		var b batch
		b.add(finding{path: strings.Repeat("a", i), kind: kindChanged})
		st.record(&b, time.Now())
	}
	if len(st.pending) != maxPending || st.lost != maxPending {
		t.Errorf("%d are kept, %d are lost", len(st.pending), st.lost)
	}
}

func TestShownPath(t *testing.T) {
	for path, want := range map[string]string{
		"":                             "(other)",
		"/a\n\x1b[31m\xff":             `/a\n\x1b[31m\xff`,
		"/\u202egnp.exe":               `/\u202egnp.exe`,
		"/srv/Straße":                  "/srv/Straße",
		"/" + strings.Repeat("ä", 400): "…" + strings.Repeat("ä", maxPath/2),
	} {
		if got := shownPath(path); got != want || !utf8.ValidString(got) {
			t.Errorf("%q is shown as %q", path, got)
		}
	}
}

// TestLooksAlike: two paths whose labels are the same are one series.
func TestLooksAlike(t *testing.T) {
	var b batch
	for _, p := range []string{"/a", "/b"} {
		b.add(finding{at: time.Unix(1e9, 0), path: p + strings.Repeat("/x", maxPath), kind: kindChanged})
	}
	var st status
	st.findings, _ = remember(nil, &b, time.Time{})
	if got := st.series(time.Unix(1e9, 0)); len(got) != 1 || got[0].Value != 1 {
		t.Errorf("got %v", got)
	}
}

// TestStateCannotBeWritten: it is said, and the rest goes on.
func TestStateCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app")
	write(t, dir+"/a", "")
	s, _ := newSampler(t, "paths: D", dir)
	write(t, dir+"-state", "a file")
	got := until(t, s, "the error", func(_ map[string]float64, err error) bool {
		return err != nil && strings.Contains(err.Error(), "what is known of the files cannot be kept over a restart")
	})
	if got["logkeel_integrity_files"] != 1 {
		t.Errorf("got %v", got)
	}
}

// TestDamagedBaseline: it is said, and begun anew.
func TestDamagedBaseline(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app")
	write(t, dir+"/a", "")
	s, log := newSampler(t, "paths: D", dir)
	write(t, s.path, baselineForm+"and rubbish")
	got := until(t, s, "a walk", calm)
	if got["logkeel_integrity_added_total"] != 0 || !strings.Contains(log.String(), "x.baseline.damaged") {
		t.Errorf("got %v; the log says %s", got, log)
	}
	if _, err := os.Stat(s.path + ".damaged"); err != nil {
		t.Error(err)
	}
}

// TestFailure: what is wrong is said with what to do.
func TestFailure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app")
	s, _ := newSampler(t, "paths: D", dir)
	until(t, s, "the error", func(_ map[string]float64, err error) bool {
		return err != nil && strings.Contains(err.Error(), dir+" is not there; mount it into the agent's container, or correct paths")
	})
	st := status{unreadable: 1, first: os.ErrPermission, tally: &tally{unread: 2, unreadAt: "/a"}}
	if err := st.failure(); err == nil || err.Error() != "3 files or folders cannot be read (permission denied); run the agent as a user who may read them, or give its container cap_add: [DAC_READ_SEARCH]" {
		t.Errorf("got %v", err)
	}
	st.first = nil
	if err := st.failure(); err == nil || !strings.Contains(err.Error(), "(/a)") {
		t.Errorf("got %v", err)
	}
}
