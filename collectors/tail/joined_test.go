package tail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

func preset(t testing.TB, name string) *multiline.Format {
	f, ok := multiline.Preset(name)
	if !ok {
		t.Fatalf("no preset %s", name)
	}
	return f
}

// A joinedModel makes the lines of a log with traces in it, and joins them as one
// who sees all of it at once.
type joinedModel struct {
	rand   *rand.Rand
	format *multiline.Format
	clock  time.Time
	n      int
	state  map[string]multiline.State
	want   map[string][]string // by stream
}

func newJoinedModel(seed uint64, f *multiline.Format) *joinedModel {
	return &joinedModel{
		rand: rand.New(rand.NewPCG(seed, 7)), format: f, clock: time.Unix(1_736_430_000, 0).UTC(),
		state: map[string]multiline.State{}, want: map[string][]string{},
	}
}

// line is one of the log's, with its end, and numbered.
func (m *joinedModel) line(stream string, ordinary bool) string {
	m.n++
	forms := []string{"line %d", "java.lang.Error: %d", "\tat a.B.c(B.java:%d)", "\tat a.B.d(B.java:%d)", "Caused by: java.lang.Error: %d"}
	form := forms[m.rand.IntN(len(forms))]
	if ordinary {
		form = forms[0]
	}
	l := fmt.Sprintf(form, m.n)
	if m.rand.IntN(25) == 0 {
		l += strings.Repeat("x", fragmentSize+m.rand.IntN(2*fragmentSize))
	}
	next, joins := m.format.Next(m.state[stream], []byte(l))
	m.state[stream] = next
	if all := m.want[stream]; joins {
		all[len(all)-1] += "\n" + l
	} else {
		m.want[stream] = append(all, l)
	}
	return l + "\n"
}

// docker is a line as Docker writes it.
func (m *joinedModel) docker(stream string, ordinary bool) string {
	var b strings.Builder
	for text := m.line(stream, ordinary); text != ""; {
		n := min(len(text), fragmentSize)
		m.clock = m.clock.Add(time.Duration(m.rand.IntN(1000)) * time.Microsecond)
		b.WriteString(dockerLine(text[:n], stream, "", m.clock))
		text = text[n:]
	}
	return b.String()
}

// FuzzJoined splits a log in blocks of any size: they make the records that joining
// all of it at once makes.
func FuzzJoined(f *testing.F) {
	f.Add(uint64(1), uint8(40), false)
	f.Add(uint64(2), uint8(200), true)
	f.Fuzz(func(t *testing.T, seed uint64, lines uint8, held bool) {
		format := preset(t, "java")
		if held {
			format, _ = multiline.Custom("^[lj]", "")
		}
		m := newJoinedModel(seed, format)
		var file []byte
		for range lines {
			file = append(file, m.docker([]string{"stdout", "stderr"}[m.rand.IntN(2)], false)...)
		}
		checkJoined(t, m, &dockerJSON{maxLine: DefaultMaxLine, join: joining{format: format}}, file)

		m = newJoinedModel(seed, format)
		file = nil
		for range lines {
			file = append(file, m.line("", false)...)
		}
		checkJoined(t, m, &plain{maxLine: DefaultMaxLine, join: joining{format: format}}, file)
	})
}

// FuzzJoinedCut has records that are larger than one may be: where the blocks end
// does not matter, and no line is lost.
func FuzzJoinedCut(f *testing.F) {
	f.Add(uint64(1), uint8(200), uint16(1))
	f.Add(uint64(2), uint8(200), uint16(20000))
	f.Fuzz(func(t *testing.T, seed uint64, lines uint8, maxLine uint16) {
		format, _ := multiline.Custom("^Z", "") // it never ends
		if seed%2 == 0 {
			format = preset(t, "java")
		}
		m := newJoinedModel(seed, format)
		var docker, text []byte
		for range lines {
			docker = append(docker, m.docker([]string{"stdout", "stderr"}[m.rand.IntN(2)], false)...)
			text = append(text, m.line("", false)...)
		}
		for file, s := range map[*[]byte]splitter{
			&docker: &dockerJSON{maxLine: 64 + int(maxLine), join: joining{format: format}},
			&text:   &plain{maxLine: 64 + int(maxLine), join: joining{format: format}},
		} {
			whole := readAll(t, s, *file, s.limit, func(int) {})
			parts := readAll(t, s, *file, func() int { return 1 + m.rand.IntN(60000) }, func(int) {})
			for _, all := range [][]readout{whole, parts} {
				for i := range all {
					if len(all[i].body) > 64+int(maxLine) {
						t.Fatalf("a record has %d bytes", len(all[i].body))
					}
					if file == &text {
						all[i].time = 0
					}
				}
			}
			if !slices.Equal(whole, parts) {
				t.Fatal(difference(parts, whole))
			}
			for stream, want := range m.want {
				var got strings.Builder
				for _, r := range whole {
					if r.stream.String() == stream {
						got.WriteString(r.body)
					}
				}
				if a, b := strings.ReplaceAll(got.String(), "\n", ""), strings.ReplaceAll(strings.Join(want, ""), "\n", ""); a != b && (stream != "") == (file == &docker) {
					t.Fatalf("%q: %d bytes came of %d", stream, len(a), len(b))
				}
			}
		}
	})
}

func checkJoined(t *testing.T, m *joinedModel, s splitter, file []byte) {
	t.Helper()
	got := map[string][]string{}
	for _, r := range readAll(t, s, file, func() int { return 1 + m.rand.IntN(1<<uint(1+m.rand.IntN(18))) }, func(int) {}) {
		got[r.stream.String()] = append(got[r.stream.String()], r.body)
		if r.flags != 0 {
			t.Fatalf("%.80q has flags %d", r.body, r.flags)
		}
	}
	for stream, want := range m.want {
		if !slices.Equal(got[stream], want) {
			t.Fatalf("%s: %s", stream, firstOther(got[stream], want))
		}
	}
}

func firstOther(got, want []string) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	show := func(all []string) string {
		if i >= len(all) {
			return "none"
		}
		return fmt.Sprintf("%.200q (%d)", all[i], len(all[i]))
	}
	return fmt.Sprintf("%d records for %d; record %d:\n got %s\nwant %s", len(got), len(want), i, show(got), show(want))
}

// TestJoinedModel writes logs with traces while they are read, rotated, and the
// reader is stopped and killed at any moment. Two outputs, at different places,
// get what joining the whole log at once gives, and nothing twice.
func TestJoinedModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := newJoinedModel(seed, preset(t, "java"))
			w.options.Format = func(*agent.Source) *multiline.Format { return m.format }
			w.timing.settle = time.Millisecond
			w.ahead = &recorder{records: map[string][]got{}}
			log, streams, put := "app.log", []string{""}, m.line
			if seed%2 == 0 {
				w.docker()
				log, streams, put = "@c", []string{"stdout", "stderr"}, m.docker
			}
			playJoined(t, w, m, log, streams, put)
		})
	}
}

func playJoined(t *testing.T, w *world, m *joinedModel, log string, streams []string, put func(string, bool) string) {
	id, half := w.sourceID(log), ""
	write := func(text string) {
		if err := appendTo(w.path(log), half+text); err != nil {
			t.Fatal(err)
		}
		half = ""
	}
	hold := func(holding bool) {
		w.out.mu.Lock()
		w.out.holding = holding
		w.out.mu.Unlock()
	}
	write(put(streams[0], true))
	w.start() // older files of a log that nobody knows yet are not read
	w.until("the first record", func() bool { return w.out.count(id) > 0 && w.ahead.count(id) > 0 })
	kept, rotations := 1, 0
	for range 60 {
		switch stream := streams[m.rand.IntN(len(streams))]; m.rand.IntN(12) {
		case 0: // what is open may go through one rotation, but not through two
			if rotations++; rotations > 6 {
				break
			}
			for _, s := range streams {
				write(put(s, true))
			}
			for range m.rand.IntN(4) {
				write(put(streams[m.rand.IntN(len(streams))], false))
			}
			for i := rotations; i > 0; i-- {
				from := w.path(log)
				if i > 1 {
					from += fmt.Sprintf(".%d", i-1)
				}
				if err := os.Rename(from, w.path(log)+fmt.Sprintf(".%d", i)); err != nil {
					t.Fatal(err)
				}
			}
			for range 1 + m.rand.IntN(3) {
				write(put(streams[m.rand.IntN(len(streams))], false))
			}
			for _, s := range streams {
				write(put(s, true))
			}
		case 1:
			w.end()
			if m.rand.IntN(2) == 0 {
				w.out.safe()
			} else {
				w.out.mu.Lock()
				w.out.unsafe = nil
				if w.out.holding {
					w.out.records[id] = w.out.records[id][:kept]
				}
				w.out.mu.Unlock()
			}
			kept = w.out.count(id)
			hold(m.rand.IntN(2) == 0)
			w.start()
		case 2:
			time.Sleep(time.Duration(m.rand.IntN(15)) * time.Millisecond)
		case 3:
			whole := half + put(stream, false)
			n := m.rand.IntN(len(whole))
			half = ""
			write(whole[:n])
			half = whole[n:]
		default:
			write(put(stream, false))
		}
	}
	for _, s := range streams {
		write(put(s, true))
	}
	total := 0
	for _, s := range streams {
		total += len(m.want[s])
	}
	for _, o := range []*recorder{w.out, w.ahead} {
		for deadline := time.Now().Add(wait); o.count(id) < total && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	w.quiet()
	for i, o := range []*recorder{w.out, w.ahead} {
		got := map[string][]string{}
		for _, g := range o.take()[id] {
			got[g.stream.String()] = append(got[g.stream.String()], g.body)
		}
		for _, s := range streams {
			if !slices.Equal(got[s], m.want[s]) {
				t.Errorf("output %d, %s: %s", i, s, firstOther(got[s], m.want[s]))
			}
		}
	}
}

// What an output had of a trace that was ended by time it does not get again, and
// one that had nothing of it misses nothing, when more has come since.
func TestJoinedBounds(t *testing.T) {
	w := newWorld(t)
	w.docker()
	w.options.Format = func(*agent.Source) *multiline.Format { return preset(t, "java") }
	w.timing.join = 5 * time.Millisecond
	w.ahead = &recorder{records: map[string][]got{}}
	id, now := w.sourceID("@c"), time.Unix(1_736_430_000, 0).UTC()
	put := func(text string) {
		if err := appendTo(w.path("@c"), dockerLine(text+"\n", "stdout", "", now)); err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	w.start()
	w.until("a", func() bool { return w.out.count(id) == 1 && w.ahead.count(id) == 1 })
	w.out.mu.Lock()
	w.out.holding = true
	w.out.mu.Unlock()
	put("java.lang.Error: b")
	w.until("b", func() bool { return w.out.count(id) == 2 && w.ahead.count(id) == 2 })
	w.kill()
	w.out.take()
	w.ahead.take()
	put("\tat b.B.b(B.java:1)")
	w.timing.join = wait
	w.start()
	put("c")
	w.until("c", func() bool { return w.out.count(id) == 3 && w.ahead.count(id) == 2 })
	w.quiet()
	for _, c := range []struct {
		o    *recorder
		want []string
	}{
		{w.out, []string{"java.lang.Error: b", "\tat b.B.b(B.java:1)", "c"}},
		{w.ahead, []string{"\tat b.B.b(B.java:1)", "c"}},
	} {
		var bodies []string
		for _, g := range c.o.take()[id] {
			bodies = append(bodies, g.body)
		}
		if !slices.Equal(bodies, c.want) {
			t.Errorf("got %q, want %q", bodies, c.want)
		}
	}
}

// A trace is emitted when nothing has come for it for a while, though the other
// stream is written to all the time and the log's own time stands still.
func TestJoinedWhileOthersWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.docker()
	w.options.Format = func(*agent.Source) *multiline.Format { return preset(t, "java") }
	w.timing.join = 500 * time.Millisecond
	id, now := w.sourceID("@c"), time.Unix(1_736_430_000, 0).UTC()
	put := func(text, stream string) {
		if err := appendTo(w.path("@c"), dockerLine(text+"\n", stream, "", now)); err != nil {
			t.Fatal(err)
		}
	}
	put("java.lang.Error: a", "stderr")
	put("\tat b.B.b(B.java:1)", "stderr")
	w.start()
	var before int
	w.until("the trace", func() bool {
		put("busy", "stdout")
		before++
		return w.out.count(id) > 0
	})
	w.until("all", func() bool { return w.out.count(id) == before+1 })
	var traces []string
	for _, g := range w.out.take()[id] {
		if g.body != "busy" {
			traces = append(traces, g.body)
		}
	}
	if want := "java.lang.Error: a\n\tat b.B.b(B.java:1)"; len(traces) != 1 || traces[0] != want {
		t.Errorf("got %q", traces)
	}
}

// No line costs an allocation where there is a format: neither those that are
// emitted at once nor those that are held.
func TestJoiningDoesNotAllocate(t *testing.T) {
	lines := []string{"java.lang.Error: x\n", "\tat a.B.c(B.java:1)\n", "\tat a.B.d(B.java:2)\n", "ordinary\n", "[2025-01-09 14:30:00] a.INFO: x\n"}
	m := newLogModel(1)
	var docker, text []byte
	for i := 0; len(docker) < blockSize; i++ {
		m.clock = m.clock.Add(time.Millisecond)
		l := lines[i%len(lines)]
		docker = append(docker, dockerLine(l, []string{"stdout", "stderr"}[i/len(lines)%2], "", m.clock)...)
		text = append(text, l...)
	}
	for _, name := range []string{"java", "laravel"} {
		j := joining{format: preset(t, name)}
		for kind, c := range map[string]struct {
			s    splitter
			file []byte
		}{
			"docker": {&dockerJSON{maxLine: DefaultMaxLine, join: j}, docker},
			"plain":  {&plain{maxLine: DefaultMaxLine, join: j}, text},
		} {
			b := &agent.Batch{Buf: make([]byte, len(c.file))}
			if n := testing.AllocsPerRun(20, func() {
				b.Records = b.Records[:0]
				copy(b.Buf, c.file)
				c.s.split(b, 0, growing)
			}); n != 0 {
				t.Errorf("%s, %s: %v allocations a block", name, kind, n)
			}
			// Two streams that always have something open are not held for ever.
			cut := slices.ContainsFunc(b.Records, func(r agent.Record) bool { return r.Flags != 0 })
			if len(b.Records) < 100 || cut {
				t.Errorf("%s, %s: %d records; cut: %v", name, kind, len(b.Records), cut)
			}
		}
	}
}

// BenchmarkSplitJoined has ordinary lines, with a format that holds some and with
// one that holds all.
func BenchmarkSplitJoined(b *testing.B) {
	file := corpus(blockSize)[:blockSize]
	all, _ := multiline.Custom("", "^ ")
	for name, f := range map[string]*multiline.Format{"none": nil, "java": preset(b, "java"), "laravel": preset(b, "laravel"), "held": all} {
		b.Run(name, func(b *testing.B) {
			d := &dockerJSON{maxLine: DefaultMaxLine, join: joining{format: f}}
			batch := &agent.Batch{Buf: make([]byte, blockSize)}
			b.SetBytes(blockSize)
			b.ReportAllocs()
			for b.Loop() {
				batch.Records = batch.Records[:0]
				copy(batch.Buf, file)
				d.split(batch, 0, growing)
			}
		})
	}
}
