package prometheus

import (
	"math"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/webgrip/logkeel/agent"
)

// written is a page without what the runtime says of itself.
func written(t *testing.T, samples ...agent.Sample) (text string, err error) {
	t.Helper()
	usual := prometheus.NewRegistry()
	usual.MustRegister(collectors.NewGoCollector())
	var b strings.Builder
	err = writePage(&b, func(yield func(agent.Sample)) {
		for _, s := range samples {
			yield(s)
		}
	}, usual, 100)
	text, _, ok := strings.Cut(b.String(), "# HELP go_gc_duration_seconds ")
	if !ok {
		t.Errorf("the page lacks go_gc_duration_seconds:\n%s", b.String())
	}
	return text, err
}

func labels(pairs ...string) (list []agent.Label) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, agent.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// A metric's series are together, whatever the order they come in, and in the order
// of their labels.
func TestPageIsSorted(t *testing.T) {
	got, err := written(
		t,
		agent.Sample{Name: "b", Help: `B\` + "\n.", Labels: labels("y", "2", "x", "1"), Value: math.Inf(1)},
		agent.Sample{Name: "a", Help: "A.", Type: agent.Counter, Value: 1e9},
		agent.Sample{Name: "b", Help: "B.", Labels: labels("x", "1", "y", `q"\`), Value: math.NaN()},
		agent.Sample{Name: "b", Help: "B.", Value: -0.5},
	)
	want := "# HELP a A.\n# TYPE a counter\na 1e+09\n" +
		`# HELP b B\\\n.` + "\n# TYPE b gauge\nb -0.5\n" + `b{x="1",y="2"} +Inf` + "\n" + `b{x="1",y="q\"\\"} NaN` + "\n"
	if got != want || err != nil {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

// What Prometheus would refuse the whole page for is left out, and said.
func TestWhatIsLeftOut(t *testing.T) {
	for _, tt := range []struct {
		name string
		bad  agent.Sample
		says string
	}{
		{"the same labels in another order", agent.Sample{Name: "good", Labels: labels("b", "2", "a", "1")}, `good{a="1",b="2"} is there twice`},
		{"another type", agent.Sample{Name: "good", Type: agent.Counter, Labels: labels("a", "3")}, "good: some of its series are of another type"},
		{"no name", agent.Sample{}, `"" is no name of a metric`},
		{"a label without a name", agent.Sample{Name: "good", Labels: labels("", "1")}, `good: "" is no name of a label`},
		{"a label twice that differs in a dot", agent.Sample{Name: "good", Labels: labels("c.d", "1", "c_d", "2")}, "good: the label c_d is there twice"},
		{"a label of Prometheus's own", agent.Sample{Name: "good", Labels: labels("__name__", "1")}, `good: "__name__" is no name of a label`},
		{"a label twice", agent.Sample{Name: "good", Labels: labels("c", "1", "c", "2")}, "good: the label c is there twice"},
		{"a bucket's label", agent.Sample{Name: "h", Type: agent.Histogram, Labels: labels("le", "1")}, `h: "le" is no name of a label`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := written(t, agent.Sample{Name: "good", Help: "Good.", Labels: labels("a", "1", "b", "2"), Value: 7}, tt.bad, agent.Sample{Name: "last", Value: 1})
			if err == nil || err.Error() != tt.says {
				t.Errorf("says %v, want %s", err, tt.says)
			}
			if n := strings.Count(got, "\ngood"); n != 1 || !strings.Contains(got, `good{a="1",b="2"} 7`) || !strings.Contains(got, "\nlast 1\n") {
				t.Errorf("%d series of good:\n%s", n, got)
			}
		})
	}
}

// Names that only new servers take, and text that is none, are made plain, and the
// labels of the one who measured are not changed.
func TestPlain(t *testing.T) {
	ls := labels("a.b", "x\xff", "c", "y")
	got, err := written(t, agent.Sample{Name: "1 é\xff9:", Labels: ls, Value: 1})
	if want := "# HELP ____9: \n# TYPE ____9: gauge\n____9:{a_b=\"x\uFFFD\",c=\"y\"} 1\n"; got != want || err != nil {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	if ls[0].Name != "a.b" {
		t.Errorf("the labels became %v", ls)
	}
	if _, err := written(t, agent.Sample{Name: "good", Labels: labels("a", "\xff")}, agent.Sample{Name: "good", Labels: labels("a", "\xfe")}); err == nil {
		t.Error("two series that are the same when they are written are not found")
	}
}
