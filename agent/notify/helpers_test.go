package notify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/silence"
	"github.com/webgrip/logkeel/agent/spool"
)

var errDown = errors.New("connection refused")

// A world is a queue that can be killed, and the people that it tells. It lives
// in a bubble of synctest.
type world struct {
	t    *testing.T
	c    Config
	dir  string
	disk *disk
	wall func() time.Time
	logs bytes.Buffer // guarded by mu
	book string       // folder of silences

	q    *Queue
	stop func()

	mu      sync.Mutex
	answer  func(n *Notice) error // nil: all is taken
	told    []*Notice             // what was taken
	at      []time.Time
	tries   int // of all notices
	version uint64
}

// inWorld runs f in a bubble, with a queue that runs.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: t.TempDir(), book: t.TempDir(), disk: &disk{}, wall: time.Now}
		w.c.SetDefaults()
		w.c.MaxPerHour = 0 // but in tests of it
		w.open()
		w.start()
		defer w.kill()
		f(w)
	})
}

func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.Write(b)
}

func (w *world) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.String()
}

func (w *world) open() {
	w.t.Helper()
	q, err := open(Options{
		Config: w.c, Name: "mail", Dir: w.dir, Log: slog.New(slog.NewTextHandler(w, nil)),
		Labels: []agent.Label{{Name: "output", Value: "mail"}}, Silences: silence.NewWatch(w.book, agent.NewTrouble(slog.New(slog.DiscardHandler))),
	}, w.disk, w.wall)
	if err != nil {
		w.t.Fatal(err)
	}
	w.q = q
}

func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.q.Run(ctx, w.send) })
	w.stop = func() {
		cancel()
		wg.Wait()
	}
}

func (w *world) send(_ context.Context, n *Notice) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries++
	if w.answer != nil {
		if err := w.answer(n); err != nil {
			return err
		}
	}
	w.told = append(w.told, n)
	w.at = append(w.at, time.Now())
	return nil
}

// tried is how often something was sent.
func (w *world) tried() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tries
}

// answers sets what becomes of notices.
func (w *world) answers(f func(n *Notice) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

// kill leaves the queue as it is: nothing is flushed or closed.
func (w *world) kill() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// restart kills the queue and opens a copy of what is on the disk.
func (w *world) restart() {
	w.t.Helper()
	w.kill()
	w.dir = w.copied()
	w.open()
	w.start()
}

// copied is a copy of the journal as it is now.
func (w *world) copied() string {
	w.t.Helper()
	to := w.t.TempDir()
	if err := os.CopyFS(to, os.DirFS(w.dir)); err != nil {
		w.t.Fatal(err)
	}
	return to
}

// silence makes a silence, which the queue gets to know of.
func (w *world) silence(matchers string, d time.Duration) {
	w.t.Helper()
	if _, err := silence.Open(w.book).Add(matchers, time.Now(), d, "", ""); err != nil {
		w.t.Fatal(err)
	}
	w.sleep(silence.Poll)
}

// sleep lets time pass, and all that happens in it.
func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) notify(alerts ...agent.Alert) {
	w.t.Helper()
	if err := w.q.Notify(w.t.Context(), alerts); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// alert is one that fires, in a newer revision than any before.
func (w *world) alert(rule, key string, count uint64) agent.Alert {
	w.version++
	now := time.Now().UTC()
	return agent.Alert{
		ID: rule + "/" + key, Revision: w.version,
		Rule:   agent.Rule{Name: rule, Class: "error", Severity: "warning", File: "pack:test", Line: 1},
		Key:    []agent.Label{{Name: "container", Value: strings.TrimRight(key, "0123456789")}},
		Labels: []agent.Label{{Name: "service", Value: "app"}}, Source: "app-web-1",
		Starts: now, Last: now, Seen: now, Count: count,
		First: []agent.Line{{Time: now, Source: "app-web-1", Text: "ERROR <b>"}},
	}
}

// ended is a's end.
func (w *world) ended(a agent.Alert) agent.Alert {
	w.version++
	a.Revision, a.Ended = w.version, time.Now().UTC()
	return a
}

// take returns what was told since it was last asked, as text.
func (w *world) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, n := range w.told {
		list = append(list, line(n))
	}
	w.told, w.at = nil, nil
	return list
}

// expect wants these notices since it was last asked, in any order.
func (w *world) expect(want ...string) {
	w.t.Helper()
	got := w.take()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Fatalf("told\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// line is a notice as "firing rule=a: a/x 3, a/y 2 over".
func line(n *Notice) string {
	var b strings.Builder
	b.WriteString(n.Kind.String())
	if n.Reminder {
		b.WriteString(" reminder")
	}
	if n.Kind == Resolved && n.Previous.IsZero() {
		b.WriteString(" at once")
	}
	fmt.Fprintf(&b, " %s:", describe(n))
	for i, a := range n.Alerts {
		fmt.Fprintf(&b, "%s %s %d", strings.Repeat(",", min(i, 1)), a.ID, a.Count)
		if !a.Firing() {
			b.WriteString(" over")
		}
	}
	if n.More > 0 {
		fmt.Fprintf(&b, ", and %d with %d", n.More, n.MoreFindings)
	}
	return b.String()
}

// last is the last notice that was taken.
func (w *world) last() *Notice {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.told) == 0 {
		w.t.Fatal("nothing was told")
	}
	return w.told[len(w.told)-1]
}

// metric is the sum of the samples of a name, and a result where one is asked for.
func (w *world) metric(name string, result ...string) float64 {
	sum := 0.0
	w.q.Meter(func(s agent.Sample) {
		if s.Name != name || !slices.Contains(s.Labels, agent.Label{Name: "output", Value: "mail"}) {
			return
		}
		if r := cmp.Or(append(result, "")...); r == "" || slices.Contains(s.Labels, agent.Label{Name: "result", Value: r}) {
			sum += s.Value
		}
	})
	return sum
}

// segments are the files of the journal, oldest first.
func (w *world) segments() []string {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.dir, "*.seg"))
	if err != nil || len(names) == 0 {
		w.t.Fatal("no journal", err)
	}
	slices.Sort(names)
	return names
}

func list(alerts ...agent.Alert) []agent.Alert { return alerts }

func rawFrame(text string) []spool.Frame { return []spool.Frame{{Payload: []byte(text)}} }
