package exporters

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	dto "github.com/prometheus/client_model/go"
)

// Series by their text, as name{a="b"} with the labels in order.
type Series map[string]float64

// parse reads a page. Of a label of the agent's that the exporter lacks the value
// says what is asked for; it is left out.
func parse(t *testing.T, text string, only page) Series {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	all := Series{}
	for name, f := range families {
		for _, m := range f.Metric {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			if only.label != "" {
				if labels[only.label] != only.equals {
					continue
				}
				delete(labels, only.label)
			}
			delete(labels, only.without)
			addSeries(all, name, labels, m)
		}
	}
	return all
}

func addSeries(all Series, name string, labels map[string]string, m *dto.Metric) {
	with := func(suffix, label, value string) string {
		ls := maps.Clone(labels)
		if label != "" {
			ls[label] = value
		}
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(ls)) {
			parts = append(parts, fmt.Sprintf("%s=%q", k, ls[k]))
		}
		if len(parts) == 0 {
			return name + suffix
		}
		return name + suffix + "{" + strings.Join(parts, ",") + "}"
	}
	switch {
	case m.Summary != nil:
		all[with("_sum", "", "")] = m.Summary.GetSampleSum()
		all[with("_count", "", "")] = float64(m.Summary.GetSampleCount())
		for _, q := range m.Summary.Quantile {
			all[with("", "quantile", fmt.Sprint(q.GetQuantile()))] = q.GetValue()
		}
	case m.Histogram != nil:
		all[with("_sum", "", "")] = m.Histogram.GetSampleSum()
		all[with("_count", "", "")] = float64(m.Histogram.GetSampleCount())
		for _, b := range m.Histogram.Bucket {
			all[with("_bucket", "le", fmt.Sprint(b.GetUpperBound()))] = float64(b.GetCumulativeCount())
		}
	default:
		all[with("", "", "")] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
	}
}

// A verdict is what became of an exporter's series.
type verdict uint8

const (
	same    verdict = iota // or between what the agent had just before and just after
	differs                // in value
	missing                // the agent has none of these labels
)

// A difference is a series that is not the same.
type difference struct {
	series string
	is     verdict
	theirs float64
	ours   [2]float64
}

func (d difference) String() string {
	if d.is == missing {
		return fmt.Sprintf("%s: the agent has none; here it is %v", d.series, d.theirs)
	}
	return fmt.Sprintf("%s: %v, the agent had %v and then %v", d.series, d.theirs, d.ours[0], d.ours[1])
}

// compare wants each series of theirs among ours, which were taken before and
// after, with a value that is a tenth beside what lies between at most, or in the
// same region where it moves.
func compare(before, theirs, after Series) (equal int, different []difference) {
	for _, key := range slices.Sorted(maps.Keys(theirs)) {
		v := theirs[key]
		a, had := before[key]
		b, has := after[key]
		switch {
		case !had && !has:
			different = append(different, difference{series: key, is: missing, theirs: v})
			continue
		case !had:
			a = b
		case !has:
			b = a
		}
		slack := 0.1*math.Abs(v) + 0.02
		if a != b { // it moves: of what was in between nobody knows much
			slack = math.Abs(a-b) + 0.5*max(math.Abs(a), math.Abs(b)) + 1
		}
		if math.IsNaN(v) || v >= min(a, b)-slack && v <= max(a, b)+slack {
			equal++
			continue
		}
		different = append(different, difference{key, differs, v, [2]float64{a, b}})
	}
	return equal, different
}

// An explanation is a line of differences.txt: why series are not the same.
type explanation struct {
	exporter string
	series   *regexp.Regexp
	why      string
	used     int
}

func explanations(t *testing.T) (list []*explanation) {
	t.Helper()
	f, err := os.Open("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		exporter, rest, _ := strings.Cut(line, " ")
		series, why, ok := strings.Cut(strings.TrimSpace(rest), "  ")
		if !strings.HasSuffix(series, `\}`) {
			series += `($|\{)`
		}
		re, err := regexp.Compile("^" + series)
		if err != nil || !ok {
			t.Fatalf("testdata/differences.txt: %q: write EXPORTER EXPRESSION and, after two spaces, why (%v)", line, err)
		}
		list = append(list, &explanation{exporter: exporter, series: re, why: strings.TrimSpace(why)})
	}
	return list
}

// TestSeries compares the agent with each exporter on the same servers at the same
// moment, series by series. What is not the same has a line in
// testdata/differences.txt that says why.
func TestSeries(t *testing.T) {
	w := newWorld(t, time.Second)
	known := explanations(t)
	for _, e := range w.exporters {
		t.Run(e.name, func(t *testing.T) {
			equal, explained := 0, 0
			for _, p := range e.pages[:min(2, len(e.pages))] { // the others are alike
				n, different := w.compare(t, p)
				for again := 0; again < 4 && slices.ContainsFunc(different, func(d difference) bool { return why(known, e.name, d) == nil }); again++ {
					n, different = w.compare(t, p) // something moved just then
				}
				equal += n
				for _, d := range different {
					x := why(known, e.name, d)
					if x == nil {
						t.Errorf("%v", d)
						continue
					}
					x.used++
					explained++
				}
			}
			t.Logf("%-18s %5d series are the same, %d are not and are explained", e.name, equal, explained)
		})
	}
	slices.SortStableFunc(known, func(a, b *explanation) int { return cmp.Compare(a.exporter, b.exporter) })
	for _, x := range known {
		t.Logf("%-18s %4d x %-60s %s", x.exporter, x.used, strings.TrimSuffix(strings.TrimPrefix(x.series.String(), "^"), `($|\{)`), x.why)
	}
}

// why is the line that says why a series of the exporter's is not the same; nil: there
// is none.
func why(known []*explanation, exporter string, d difference) *explanation {
	for _, x := range known {
		if x.exporter == exporter && x.series.MatchString(d.series) {
			return x
		}
	}
	return nil
}

func (w *world) compare(t *testing.T, p page) (equal int, different []difference) {
	t.Helper()
	return compare(w.threePages(t, p))
}

// threePages are the agent's series, the exporter's and the agent's again.
func (w *world) threePages(t *testing.T, p page) (before, theirs, after Series) {
	t.Helper()
	get := func(url string) string {
		text, err := fetch(url)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := get(w.page)
	before = parse(t, first, p)
	theirs = parse(t, get(p.url), page{without: p.without})
	// A snapshot more.
	time.Sleep(1500 * time.Millisecond)
	after = parse(t, get(w.page), p)
	if p.namesOnly {
		return names(before), names(theirs), names(after)
	}
	return before, theirs, after
}

// names are the metrics of the series, without values.
func names(all Series) Series {
	bare := Series{}
	for key := range all {
		name, _, _ := strings.Cut(key, "{")
		bare[name] = math.NaN()
	}
	return bare
}
