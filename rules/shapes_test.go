package rules

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func shapesSum(list []agent.Shape) (n uint64) {
	for _, s := range list {
		n += s.Count
	}
	return n
}

// TestShapesAddUp wants each message counted, and all together to be the findings,
// through a kill.
func TestShapesAddUp(t *testing.T) {
	r := ruleOn("Error", policy{threshold: 3, window: time.Minute, byLog: true})
	b := newBench(t, r)
	for i := range 200 {
		b.log("app", b.wall, fmt.Sprintf("error %d: no cart", i))
		if i%10 == 0 {
			b.log("app", b.wall, fmt.Sprintf("error at 10.0.0.%d: disk full", i%250))
		}
		if i == 100 {
			b.tick()
			b.start()
		}
	}
	b.tick()
	b.pass(10 * time.Second)
	a := b.told.one(t)
	if a.Count != 220 || shapesSum(a.Shapes) != a.Count {
		t.Errorf("%d findings, and %v", a.Count, a.Shapes)
	}
	if len(a.Shapes) != 2 || a.Shapes[0] != (agent.Shape{Text: "error #: no cart", Count: 200}) || a.Shapes[1] != (agent.Shape{Text: "error at #: disk full", Count: 20}) {
		t.Errorf("%v", a.Shapes)
	}
}

// TestShapesAreBounded has more messages than are told apart.
func TestShapesAreBounded(t *testing.T) {
	s := &shapes{}
	r := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		return fmt.Sprintf("message %c%c", 'g'+n%20, 'g'+n/20) // no number
	}
	for range 10_000 {
		n := min(r.IntN(400), r.IntN(400))
		text := []byte(word(n))
		s.count(text)
	}
	shown := s.top()
	if len(s.list) > maxShapes || len(shown) != shownShapes+1 || shapesSum(shown) != 10_000 || shown[shownShapes].Text != otherKey {
		t.Errorf("%d apart, shown are %v", len(s.list), shown)
	}
	again := restoredShapes(shown, 10_000)
	if got := again.top(); shapesSum(got) != 10_000 || got[0] != shown[0] {
		t.Errorf("after a restart %v", got)
	}
	for _, wrong := range [][]agent.Shape{nil, {{Text: "x", Count: 1 << 63}, {Text: "y", Count: 1 << 63}}, {{Text: "x", Count: 11_000}}} {
		if got := restoredShapes(wrong, 10_000).top(); shapesSum(got) != 10_000 {
			t.Errorf("of %v: %v", wrong, got)
		}
	}
}

// TestByFingerprint wants each message to be an alert of its own.
func TestByFingerprint(t *testing.T) {
	r := ruleOn("Error", policy{threshold: 2, window: time.Minute, by: []keyPart{{name: "service"}, {name: fingerprint, group: true}}})
	b := newBench(t, r)
	for i := range 3 {
		b.log("app", b.wall, fmt.Sprintf("error: order %d failed", i), fmt.Sprintf("error: disk %d full", i), "error once in "+string(rune('g'+i)))
	}
	b.pass(10 * time.Second)
	got := map[string]uint64{}
	for _, a := range b.told.list() {
		got[a.Key[1].Value] = a.Count
	}
	if len(got) != 2 || got["error: order # failed"] != 3 || got["error: disk # full"] != 3 {
		t.Errorf("%v", got)
	}
}

// TestShapesOfAStorm wants the counts to add up to all, and none far from what it
// is, when the messages come in turn.
func TestShapesOfAStorm(t *testing.T) {
	const n, kinds = 200_000, 8
	s := &shapes{}
	for i := range n {
		s.count([]byte("kind " + string(rune('g'+i%kinds)) + " failed"))
	}
	shown := s.top()
	if shapesSum(shown) != n {
		t.Fatalf("%d, want %d", shapesSum(shown), n)
	}
	seen := 0
	for _, one := range shown {
		if one.Text == otherKey {
			continue
		}
		seen++
		if one.Count < n/kinds*8/10 || one.Count > n/kinds*12/10 {
			t.Errorf("%+v, want %d", one, n/kinds)
		}
	}
	if seen != kinds {
		t.Errorf("%d kinds: %v", seen, shown)
	}
}
