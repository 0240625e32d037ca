package report

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A world is an agent, a clock and a book.
type world struct {
	t       *testing.T
	path    string
	o       Options
	book    *Book
	now     time.Time
	elapsed time.Duration
	values  map[string]float64 // by name and labels, as x{rule="a"}
}

func newWorld(t *testing.T, start string) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "report", "ops.json"), values: map[string]float64{}}
	w.o = Options{Zone: zone(t, "Europe/Berlin"), Meter: w.meter}
	w.o.Schedule = Schedule{Weekday: time.Monday, Hour: 8}
	at, err := time.ParseInLocation("2006-01-02 15:04", start, w.o.Zone)
	if err != nil {
		t.Fatal(err)
	}
	w.now = at
	w.start()
	return w
}

// meter yields the values, each with its labels.
func (w *world) meter(yield func(agent.Sample)) {
	for name, v := range w.values {
		s := agent.Sample{Value: v}
		s.Name, name, _ = strings.Cut(name, "{")
		for _, l := range strings.Split(strings.TrimSuffix(name, "}"), ",") {
			if k, v, ok := strings.Cut(l, "="); ok {
				s.Labels = append(s.Labels, agent.Label{Name: k, Value: v})
			}
		}
		yield(s)
	}
}

// start starts a process: what the agent counts is at 0 then.
func (w *world) start() {
	w.t.Helper()
	for name := range w.values {
		if t, ok := tracks()[strings.Split(name, "{")[0]]; ok && t.kind == own {
			delete(w.values, name)
		}
	}
	w.o.Started = w.o.Started.Add(time.Second)
	w.open()
}

func (w *world) open() {
	w.t.Helper()
	book, err := Open(w.path, w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.book, w.elapsed = book, 0
	w.look()
}

func (w *world) look() {
	w.t.Helper()
	if err := w.book.Observe(w.now, w.elapsed); err != nil {
		w.t.Fatal(err)
	}
}

// pass lets time pass, in steps.
func (w *world) pass(d, step time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		by := min(step, end.Sub(w.now))
		w.now, w.elapsed = w.now.Add(by), w.elapsed+by
		w.look()
	}
}

func (w *world) until(at string, step time.Duration) {
	w.t.Helper()
	to, err := time.ParseInLocation("2006-01-02 15:04", at, w.o.Zone)
	if err != nil {
		w.t.Fatal(err)
	}
	w.pass(to.Sub(w.now), step)
}

func (w *world) sum(metric string) float64 { return w.book.s.Current.sum(metric, nil) }

const finding = `logkeel_findings_total{source=docker,rule=A,class=error,severity=critical}`

// What is counted is what counters grew by, whatever begins anew when.
func TestCounters(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	w.values[finding] = 5
	w.values[`logkeel_container_restarts_total{project=p,name=app}`] = 7 // what was before is not this week's
	w.pass(time.Minute, time.Minute)
	w.values[finding] = 12
	w.values[`logkeel_container_restarts_total{project=p,name=app}`] = 9
	w.pass(time.Minute, time.Minute)
	if f, r := w.sum("logkeel_findings_total"), w.sum("logkeel_container_restarts_total"); f != 12 || r != 2 {
		t.Errorf("%v findings, %v restarts; want 12 and 2", f, r)
	}
	// Killed: what was since the last look is lost with it, and the agent counts from 0, more than it had.
	w.start()
	w.values[finding] = 30
	w.values[`logkeel_container_restarts_total{project=p,name=app}`] = 12 // while the agent was away, too
	w.pass(time.Minute, time.Minute)
	if f, r := w.sum("logkeel_findings_total"), w.sum("logkeel_container_restarts_total"); f != 42 || r != 5 {
		t.Errorf("after a kill: %v findings, %v restarts; want 42 and 5", f, r)
	}
	// The container is made anew, and ends twice.
	w.values[`logkeel_container_restarts_total{project=p,name=app}`] = 2
	// The configuration is reloaded: the book is opened again in the same process.
	if err := w.book.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.values[finding] = 31
	w.pass(time.Minute, time.Minute)
	if f, r := w.sum("logkeel_findings_total"), w.sum("logkeel_container_restarts_total"); f != 43 || r != 7 {
		t.Errorf("after a reload: %v findings, %v restarts; want 43 and 7", f, r)
	}
	if n := w.book.s.Current.Begun; n != 2 {
		t.Errorf("begun %d times; want 2", n)
	}
	if o := w.book.s.Current.Observed; o != 4*time.Minute {
		t.Errorf("observed for %v", o)
	}
}

// A report that is switched on while the agent runs does not count what was.
func TestSwitchedOnLater(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	if err := os.Remove(w.path); err != nil {
		t.Fatal(err)
	}
	w.values[finding] = 5000
	w.open()
	w.values[finding] = 5003
	w.values[strings.Replace(finding, "=A", "=B", 1)] = 4 // new, from 0
	w.pass(time.Minute, time.Minute)
	if f := w.sum("logkeel_findings_total"); f != 7 {
		t.Errorf("%v findings; want 7", f)
	}
}

func TestGauges(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	const page, disk, oom = `probe_duration_seconds{target=shop}`, `node_filesystem_avail_bytes{target=h,mountpoint=/,device=a}`, `logkeel_container_oom_killed{project=p,name=app}`
	w.values[oom] = 1 // from the week before
	for i, v := range []float64{0.1, 0.4, 0.1, math.NaN()} {
		w.values[page], w.values[disk] = v, float64(100-i)
		w.pass(time.Minute, time.Minute)
	}
	for _, v := range []float64{0, 1, 1, 0, 1} {
		w.values[oom] = v
		w.pass(time.Minute, time.Minute)
	}
	p := w.book.s.Current
	if s := p.of("probe_duration_seconds")["shop"]; s.Mean() < 0.199 || s.Mean() > 0.201 || s.High != 0.4 || s.Low != 0.1 || s.N != 3 {
		t.Errorf("the page: %+v", s)
	}
	if s := p.of("node_filesystem_avail_bytes")["h"+sep+"/"+sep+"a"]; s.First != 100 || s.Last != 97 {
		t.Errorf("the disk: %+v", s)
	}
	if s := p.of("logkeel_container_oom_killed")["p"+sep+"app"]; s.Rises != 2 {
		t.Errorf("killed: %+v; want 2", s)
	}
}

// The file of any content is put aside or taken; nothing else breaks.
func TestDamagedFile(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	w.values[finding] = 1
	w.pass(time.Minute, time.Minute)
	whole, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{
		"", "{", "null", "[]", `{"version":1}`, `{"version":9,"current":{}}`, `{"version":1,"current":{},"unsent":3}`,
		`{"version":1,"current":{"series":{"x":{"y":null}}}}`, `{"version":1,"current":{},"past":[null]}`,
		`{"version":1,"current":{"series":{"logkeel_findings_total":{"one":{}}}}}`, string(whole[:len(whole)/2]),
	} {
		if err := os.WriteFile(w.path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		book, err := Open(w.path, w.o)
		if err == nil || !strings.Contains(err.Error(), "it is kept as "+w.path+".bad") {
			t.Errorf("%q: %v", content, err)
		}
		if err := book.Observe(w.now, 0); err != nil {
			t.Errorf("%q: %v", content, err)
		}
		if kept, err := os.ReadFile(w.path + ".bad"); err != nil || string(kept) != content {
			t.Errorf("%q is kept as %q, %v", content, kept, err)
		}
	}
	if _, _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// However many series there are, the file is small.
func TestBounded(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	w.o.Meter = func(yield func(agent.Sample)) {
		for name, tr := range tracks() {
			for i := range 1500 {
				s := agent.Sample{Name: name, Value: float64(i)}
				for _, l := range append(tr.by, tr.is[0]) {
					v := strings.Repeat("x", 500) + string(rune('a'+i%26))
					if l == tr.is[0] {
						v = tr.is[1]
					} else {
						v = string(rune(0x4e00+i)) + v
					}
					s.Labels = append(s.Labels, agent.Label{Name: l, Value: v})
				}
				yield(s)
			}
		}
	}
	book, err := Open(w.path, w.o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := book.Observe(w.now.Add(time.Duration(i)*8*24*time.Hour), time.Duration(i)*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(w.path)
	if err != nil || info.Size() > 30<<20 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if n := len(book.folder.own.values); n > maxOwn {
		t.Errorf("%d values are remembered", n)
	}
	if _, _, err := Read(w.path); err != nil {
		t.Error(err)
	}
}

// Counters beyond those of which the last value is kept are not added up anew each
// minute.
func TestMoreThanKept(t *testing.T) {
	f := folder{tracks: tracks(), own: newLast(1, nil), others: newLast(1, nil)}
	p := &Period{}
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for i := range 10 {
		f.fold(p, func(yield func(agent.Sample)) {
			for _, source := range []string{"a", "b"} {
				yield(agent.Sample{Name: sourceLines, Type: agent.Counter, Value: 100, Labels: []agent.Label{{Name: "source", Value: source}}})
			}
		}, now.Add(time.Duration(i)*time.Minute))
	}
	if n := p.sum(sourceLines, nil); n != 100 {
		t.Errorf("%v lines", n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"version":1,"current":{"start":"2026-01-01T00:00:00Z","series":{"logkeel_findings_total":{"a\u001fb\u001fc":{"sum":1,"n":1}}}}}`))
	f.Add([]byte(`{"version":1,"current":{},"past":[{"series":{"probe_duration_seconds":{"x":{"sum":-1}}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s state
		if json.Unmarshal(data, &s) != nil || s.valid() != nil {
			return
		}
		for _, p := range append(s.Past, s.Current) {
			Summarize(p, s.Current, View{Zone: time.UTC, Now: time.Unix(1e9, 0), Top: 5})
		}
	})
}
