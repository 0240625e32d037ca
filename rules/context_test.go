package rules

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// shownAs is all lines that are shown: those of context in brackets.
func shownAs(lines []agent.Line) string {
	var s []string
	for _, l := range lines {
		if l.Context {
			l.Text = "(" + l.Text + ")"
		}
		s = append(s, l.Text)
	}
	return strings.Join(s, " ")
}

// Each batch is one string; its lines are words, those with an e are found.
func TestContext(t *testing.T) {
	for _, c := range []struct {
		name          string
		threshold     int
		batches       []string
		first, latest string
	}{
		{"all in one batch", 1, []string{"a b c d e1 f g h i"}, "(b) (c) (d) e1 (f) (g) (h)", ""},
		{"nothing there", 1, []string{"e1"}, "e1", ""},
		{"before a batch", 1, []string{"a b", "c", "d", "e1"}, "(b) (c) (d) e1", ""},
		{"partly before it", 1, []string{"a b c", "d e1"}, "(b) (c) (d) e1", ""},
		{"behind a batch", 1, []string{"e1", "a", "b c d"}, "e1 (a) (b) (c)", ""},
		{"partly behind it", 1, []string{"e1 a", "b", "c d"}, "e1 (a) (b) (c)", ""},
		{"up to the next", 1, []string{"a e1 b e2 c"}, "(a) e1 (b)", "e2 (c)"},
		{"up to the next, in another batch", 1, []string{"a e1 b", "c e2 d", "f"}, "(a) e1 (b) (c)", "e2 (d) (f)"},
		{"nothing twice", 1, []string{"e1 a b", "c d f e2"}, "e1 (a) (b) (c)", "(d) (f) e2"},
		{"nothing twice in a batch", 1, []string{"e1 a b c d f e2 g"}, "e1 (a) (b) (c)", "(d) (f) e2 (g)"},
		{"those in between are alone", 1, []string{"e1 a b c d g e2 h e3 i e4 j"}, "e1 (a) (b) (c)", "(d) (g) e2 e3 e4 (j)"},
		{"the newest only", 1, []string{"e1 a b c d", "e2", "x e3", "y e4", "z e5 0 1 2 3"}, "e1 (a) (b) (c)", "(x) e3 e4 e5 (0) (1) (2)"},
		{"the threshold", 2, []string{"a b", "c d e1 f", "g h i j e2 k", "l"}, "(b) (c) (d) e1 e2 (k) (l)", ""},
		{"a later one of the threshold", 4, []string{"e1 a b e2 c", "d", "e3 f e4 g"}, "(a) (b) e2 e3 e4 (g)", ""},
		{"one after another", 1, []string{"e1 e2 e3 e4 a", "b"}, "e1", "e2 e3 e4 (a) (b)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, ruleOn("E", times(c.threshold, time.Minute)))
			for _, batch := range c.batches {
				b.log("app", b.wall, strings.Fields(batch)...)
				b.log("web", b.wall, "of", "us")
				b.pass(time.Second)
			}
			b.pass(calm)
			if a := b.told.one(t); shownAs(a.First) != c.first || shownAs(a.Latest) != c.latest {
				t.Errorf("%s and %s, want\n%s and %s", shownAs(a.First), shownAs(a.Latest), c.first, c.latest)
			}
		})
	}
}

// Context is of the log of the line that it is beside, and as that was logged.
func TestContextIsOfOneLog(t *testing.T) {
	b := newBench(t, ruleOn("Error", policy{threshold: 2, window: time.Minute}))
	long := strings.Repeat("é", shownBytes)
	b.log("web", b.wall, "w1")
	b.log("app", b.wall, "\x1b[31m<b>\r", long, "error 1")
	b.log("web", b.wall, "error 2", "w2")
	b.log("app", b.wall, "a1")
	b.log("web", b.wall, "w3")
	b.pass(2 * calm)
	a := b.told.one(t)
	cut := strings.Repeat("é", shownBytes/2) + "…"
	if want := "(\x1b[31m<b>\r) (" + cut + ") error 1 error 2 (w2) (w3)"; shownAs(a.First) != want {
		t.Errorf("%.90q, want %.90q", shownAs(a.First), want)
	}
	for i, want := range []string{"app", "app", "app", "web", "web", "web"} {
		if a.First[i].Source != want || !a.First[i].Time.Equal(noon) {
			t.Errorf("line %d: %+v, want it of %s", i, a.First[i], want)
		}
	}
}

// What fires goes on after a restart with the lines that it had.
func TestContextIsInTheFile(t *testing.T) {
	b := newBench(t, ruleOn("E", times(2, time.Minute)))
	b.log("app", b.wall, "a", "e1", "b")
	b.pass(time.Second)
	b.start()
	b.log("app", b.wall, "c", "e2", "d", "f", "g", "h", "e3", "i")
	b.pass(time.Second)
	b.start()
	b.log("app", b.wall, "j", "e4")
	b.pass(2 * calm)
	a := b.told.one(t)
	if want := "(a) e1 e2 (d) (f) (g)"; shownAs(a.First) != want {
		t.Errorf("%s, want %s", shownAs(a.First), want)
	}
	if want := "(h) e3 e4"; shownAs(a.Latest) != want {
		t.Errorf("%s, want %s", shownAs(a.Latest), want)
	}
}

// Where lines were passed over, what is left does not stand together.
func TestContextEndsWhereLinesWerePassedOver(t *testing.T) {
	b := newBench(t, ruleOn("E", times(1, time.Minute)))
	at := int64(0)
	read := func(lines string, gaps ...int32) {
		batch := batchOf(strings.Fields(lines)...)
		at += int64(len(batch.Records) + 10)
		batch.Source, batch.Pos, batch.Gaps = b.sourceNamed("app"), agent.Position{Epoch: 1, Offset: at}, gaps
		for i := range batch.Records {
			batch.Records[i].Time = b.wall.UnixNano()
		}
		b.set.Match(batch)
		b.Records(batch, 0)
	}
	read("a b c")
	read("d e1 f g", 1)
	b.pass(calm)
	if a := b.told.one(t); shownAs(a.First) != "e1 (f) (g)" {
		t.Errorf("%s", shownAs(a.First))
	}
	read("h", 0)
	read("i j e2", 1)
	read("", 0)
	read("k e3 l", 2)
	read("m n", 2)
	b.pass(2 * calm)
	if a := b.told.one(t); shownAs(a.First) != "e1 (f) (g)" || shownAs(a.Latest) != "(j) e2 e3" {
		t.Errorf("%s and %s", shownAs(a.First), shownAs(a.Latest))
	}
}

// However a log is cut into batches, and whatever of them was read before, what is
// shown is the same.
func TestContextOfAnyBatches(t *testing.T) {
	for seed := range uint64(120) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		lines := make([]string, 1+rnd.IntN(40))
		var found []int
		for i := range lines {
			lines[i] = fmt.Sprint(i)
			if i == 0 || rnd.IntN(1+int(seed%9)) == 0 {
				lines[i] += "e"
				found = append(found, i)
			}
		}
		quiet := rnd.IntN(5)
		lines = slices.Insert(lines, 0, []string{"a", "b", "c", "d", "f"}[:quiet]...)
		for i := range found {
			found[i] += quiet
		}
		b := newBench(t, ruleOn("E", times(1, time.Minute)))
		for at := 0; at < len(lines); {
			from := rnd.IntN(min(at, 4) + 1)
			to := at + rnd.IntN(len(lines)-at) + 1
			batch := batchOf(lines[at-from : to]...)
			batch.Source, batch.Pos = b.sourceNamed("app"), agent.Position{Epoch: 1, Offset: int64(to)}
			for i := range batch.Records {
				batch.Records[i].Time, batch.Records[i].End = b.wall.UnixNano(), int64(at-from+i+1)
			}
			b.set.Match(batch)
			b.Records(batch, from)
			at = to
			b.pass(time.Duration(rnd.IntN(7)) * time.Second)
		}
		b.pass(2 * calm)
		first, to := beside(lines, found[:1], -1)
		latest, _ := beside(lines, found[max(1, len(found)-shownLines):], to)
		if a := b.told.one(t); shownAs(a.First) != first || shownAs(a.Latest) != latest {
			t.Fatalf("seed %d, %v: %q and %q, want %q and %q", seed, lines, shownAs(a.First), shownAs(a.Latest), first, latest)
		}
	}
}

// beside is what is to be shown of lines of which some were found, if those up to
// shown are somewhere else, and the last line of it.
func beside(lines []string, found []int, shown int) (text string, to int) {
	if len(found) == 0 {
		return "", shown
	}
	isContext := func(i int) bool { return i > shown && i < len(lines) && !strings.HasSuffix(lines[i], "e") }
	var all []string
	for i := found[0] - 1; i >= found[0]-contextLines && isContext(i); i-- {
		all = append([]string{"(" + lines[i] + ")"}, all...)
	}
	for _, i := range found {
		all = append(all, lines[i])
	}
	to = found[len(found)-1]
	for n := 0; n < contextLines && isContext(to+1); n++ {
		to++
		all = append(all, "("+lines[to]+")")
	}
	return strings.Join(all, " "), to
}

func TestContextIsBounded(t *testing.T) {
	r := ruleOn("Error", policy{threshold: 1, window: time.Minute, by: []keyPart{{name: "ip", group: true}}})
	r.match[0], _ = compile(`error from (?P<ip>\S+)`)
	b := newBench(t, r)
	for i := range 3 * contextKeys {
		b.log("app", b.wall, "fine", fmt.Sprintf("error from %d", i%(2*contextKeys)))
	}
	b.pass(calm)
	with := 0
	for _, a := range b.told.list() {
		if slices.ContainsFunc(slices.Concat(a.First, a.Latest), func(l agent.Line) bool { return l.Context }) {
			with++
		}
	}
	if with < contextKeys-1 || with > contextKeys+1 {
		t.Errorf("%d of %d alerts have context, want %d", with, len(b.told.byID), contextKeys)
	}
	b.pass(2 * time.Minute)
	var lines []string
	for i := range 4 * contextOwed {
		lines = append(lines, fmt.Sprintf("error from %d", i))
	}
	b.log("app", b.wall, lines...)
	b.log("app", b.wall, lines...)
	tr := b.trails.of(b.sourceNamed("app"))
	if tr == nil || len(tr.owed) > contextOwed {
		t.Fatalf("%+v", tr)
	}
}

// Lines that nobody finds cost a few bytes a batch, and where nobody shows them
// nothing.
func TestContextCostsNothingALine(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Minute)))
	batch := batchOf(slices.Repeat([]string{"nothing in here"}, 1000)...)
	batch.Source = b.sourceNamed("app")
	n := testing.AllocsPerRun(100, func() {
		batch.Pos = agent.Position{Epoch: 1, Offset: batch.Pos.Offset + 1}
		b.Records(batch, 0)
	})
	if n > 0 {
		t.Errorf("%v allocations a batch", n)
	}
	quiet, out := ruleOn("Error", policy{quiet: true}), []agent.AlertOutput{&told{}}
	for name, c := range map[string]struct {
		rule loaded
		o    AlertOptions
		want int
	}{
		"shown":              {b.rules[0], AlertOptions{Outputs: out}, contextLines},
		"nobody is told":     {b.rules[0], AlertOptions{}, 0},
		"not all are given":  {b.rules[0], AlertOptions{Outputs: out, NoContext: true}, 0},
		"nothing alerts":     {quiet, AlertOptions{Outputs: out}, 0},
		"on samples":         {ruleOf(measure{sample: "up", equals: number(0)}, eachSeries), AlertOptions{Outputs: out}, 0},
		"on absence of them": {ruleOn("Error", policy{absent: time.Hour, byLog: true}), AlertOptions{Outputs: out}, 0},
	} {
		c.o.Log = slog.New(slog.DiscardHandler)
		c.o.Ledger = agent.NewLedger(c.o.Log)
		a, err := NewAlerts(newSet([]loaded{c.rule}), c.o)
		if err != nil || a.ContextLines() != c.want {
			t.Errorf("%s: %d lines (%v), want %d", name, a.ContextLines(), err, c.want)
		}
	}
}

// What redaction cuts is in no line that is shown, in the same batch or in the one
// before.
func TestContextHasNoSecrets(t *testing.T) {
	set, err := Load(Config{Packs: []string{"operations"}}, "", Redacting(Redact{Secrets: true}))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	a, err := NewAlerts(set, AlertOptions{Ledger: agent.NewLedger(log), Outputs: []agent.AlertOutput{&told{}}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	src := sourceNamed("app")
	for i, lines := range [][]string{{"login password=Kx93nfLq9 from here"}, {"token: Kx93nfLq9zz", "production.ERROR: it broke", "api_key=Kx93nfLq9"}, {"password=Kx93nfLq9"}} {
		batch := batchOf(lines...)
		batch.Source, batch.Pos = src, agent.Position{Epoch: 1, Offset: int64(i + 1)}
		for i := range batch.Records {
			batch.Records[i].Time = time.Now().UnixNano()
		}
		set.Match(batch)
		a.Records(batch, 0)
		clear(batch.Buf) // its memory is used again
	}
	for _, o := range a.outbox {
		got := shownAs(o.alert.First)
		if strings.Contains(got, "Kx93") || strings.Count(got, "(") != 4 || !strings.Contains(got, "login password=") {
			t.Errorf("%s", got)
		}
	}
	if len(a.outbox) == 0 {
		t.Error("no alert")
	}
}
