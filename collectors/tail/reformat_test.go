package tail

import (
	"slices"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

// A configuration that says something else while a trace is open loses and repeats
// nothing: what was held is read as the new one says.
func TestJoinedOtherFormat(t *testing.T) {
	for _, log := range []string{"@c", "app.log"} {
		w := newWorld(t)
		put := func(text string) {
			if log == "@c" {
				text = dockerLine(text+"\n", "stdout", "", time.Unix(1_736_430_000, 0).UTC())
			} else {
				text += "\n"
			}
			if err := appendTo(w.path(log), text); err != nil {
				t.Fatal(err)
			}
		}
		if log == "@c" {
			w.docker()
		}
		id := w.sourceID(log)
		var want []string
		check := func(what string, more ...string) {
			t.Helper()
			want = append(want, more...)
			w.until(what, func() bool { return w.out.count(id) >= len(want) })
			w.quiet()
			var got []string
			w.out.mu.Lock()
			for _, g := range w.out.records[id] {
				got = append(got, g.body)
			}
			w.out.mu.Unlock()
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
		formats := func(f *multiline.Format) { w.options.Format = func(*agent.Source) *multiline.Format { return f } }
		formats(preset(t, "java"))
		put("a")
		put("java.lang.Error: b")
		put("\tat b.B.b(B.java:1)")
		w.start()
		check("what is not held", "a")
		w.stop()
		formats(nil)
		w.start()
		check("without a format", "java.lang.Error: b", "\tat b.B.b(B.java:1)")
		w.stop()
		formats(preset(t, "java"))
		put("\tat c.C.c(C.java:1)")
		put("java.lang.Error: d")
		put("\tat d.D.d(D.java:1)")
		put("e")
		w.start()
		check("with one", "\tat c.C.c(C.java:1)", "java.lang.Error: d\n\tat d.D.d(D.java:1)", "e")
		w.stop()
	}
}
