package rules

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/matchers"
)

func anyGroup(string) *whereError { return nil }

// TestWhere judges conditions on what these groups found: of the last
// expression, n is no number and none takes no part in the match.
func TestWhere(t *testing.T) {
	const line = "a=12 b=-1.5 t=250ms m=1m30s s=10KB q=512 MiB u=root e= n=12x i=inf h=0x10"
	re := regexp.MustCompile(`a=(?P<a>\S+) b=(?P<b>\S+) t=(?P<t>\S+) m=(?P<m>\S+) s=(?P<s>\S+) q=(?P<q>.+) u=(?P<u>\S+) e=(?P<e>\S*) n=(?P<n>\S+) i=(?P<i>\S+) h=(?P<h>\S+)(?P<none>z)?`)
	at := re.FindSubmatchIndex([]byte(line))
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"a == 12", true},
		{"a != 12", false},
		{"a != 12.5", true},
		{"a < 12", false},
		{"a <= 12", true},
		{"a > 11.99", true},
		{"a >= 12.01", false},
		{"a < 1.3e1", true},
		{"b < 0", true},
		{"b == -1.5", true},
		{"b > +1", false},
		{"b > -.2e1", true},

		// Units. A number without one is in seconds or bytes.
		{"t > 200ms", true},
		{"t > 0.2s", true},
		{"t < 250000us", false},
		{"t <= 250000\u00b5s", true},
		{"m == 90s", true},
		{"m == 1.5m", true},
		{"m > 1h", false},
		{"m < 1d", true},
		{"a > 10s", true},
		{"a > 1m", false},
		{"s == 10kB", true},
		{"s < 10KiB", true},
		{"q == 512MiB", true},
		{"q > 0.5GiB", false},
		{"a == 12B", true},
		// A unit that was not asked for, or another one, is no number.
		{"t > 0", false},
		{"s > 0", false},
		{"t > 0B", false},
		{"s > 0s", false},

		// No number, or nothing, makes a comparison false; not turns it round.
		{"n > 0", false},
		{"n <= 0", false},
		{"n != 5", false},
		{"not n > 0", true},
		{"e < 1", false},
		{"i > 0", false},
		{"h > 0", false},
		{"none == ''", false},
		{"none != ''", false},
		{"none !~ 'x'", false},
		{"none < 5", false},
		{"not none == ''", true},

		{"u == 'root'", true},
		{`u == "root"`, true},
		{"u == 'ROOT'", false},
		{"u == 'roo'", false},
		{"u != 'x'", true},
		{"e == ''", true},
		{"a == '12.0'", false},
		{"u =~ 'o{2}'", true},
		{"u =~ '^o'", false},
		{"u !~ '^o'", true},
		{"u =~ '(?i)ROOT|x'", true},
		{`a =~ '^\d+$'`, true},

		{"a == 1 or b < 0", true},
		{"a == 12 and b > 0", false},
		{"a == 1 and b > 0 or u == 'root'", true},
		{"u == 'root' or a == 1 and b > 0", true},
		{"(u == 'root' or a == 1) and b > 0", false},
		{"not a == 1 and b > 0", false},
		{"not (a == 1 and b > 0)", true},
		{"not not a == 12", true},
		{"(a>11)and(a<13)", true},
		{"u in ('x', 'root')", true},
		{"u in ('x','y')", false},
		{"a in (11, 12) and t in (1s, 250ms)", true},
		{"not u in ('root')", false},
		{"none in ('x', '')", false},
		{"a>11\n\tand(not(u=='x'))", true},
	} {
		w, err := parseWhere(tt.text, anyGroup)
		if err != nil {
			t.Errorf("%s: column %d: %s", tt.text, err.column, err.msg)
			continue
		}
		e, compileErr := compile(re.String())
		if compileErr != nil {
			t.Fatal(compileErr)
		}
		w.bind(e)
		if got := w.holds(&found{body: []byte(line), at: at, slots: e.slots}); got != tt.want {
			t.Errorf("%s: %v", tt.text, got)
		}
	}
}

func TestWhereString(t *testing.T) {
	for text, want := range map[string]string{
		" a>1 ":                                   "a > 1",
		"a =~ '\\d\"'":                            `a =~ '\d"'`,
		`a == "it's"`:                             `a == "it's"`,
		"(((a>1.50s)))":                           "a > 1.50s",
		"not(a>1)and(b>1 or not (c>1))":           "not a > 1 and (b > 1 or not c > 1)",
		"(a>1 and b>1) or c>1":                    "a > 1 and b > 1 or c > 1",
		"a>1 and (b>1 and c>1)":                   "a > 1 and (b > 1 and c > 1)",
		"not (a>1 or not(not b>1 and c>1))":       "not (a > 1 or not (not b > 1 and c > 1))",
		"`user-agent`=='x' or `and`>1 or a.b.0>1": "`user-agent` == 'x' or `and` > 1 or a.b.0 > 1",
		"a in (1,2s) and b in ('x')":              "(a == 1 or a == 2s) and b == 'x'",
		"a == 1 or b == 2 or a == 3 or (a>5)":     "a == 1 or b == 2 or a == 3 or a > 5",
	} {
		w, err := parseWhere(text, anyGroup)
		if err != nil {
			t.Errorf("%s: %v", text, *err)
		} else if got := w.String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestQuantity(t *testing.T) {
	for text, want := range map[string]float64{
		"1": 1, "-1": -1, "+1": 1, "1.": 1, ".5": 0.5, "1e3": 1000, "1E-3": 0.001, "1ns": 1e-9, "2 h": 7200, "1d1h": 90000,
		"-1m30s": -90, "3B": 3, "1 TiB": 1 << 40, "1.5e3ms": 1.5,
	} {
		if v, _, ok := parseQuantity(text); !ok || v != want {
			t.Errorf("%s is %v, %v", text, v, ok)
		}
	}
	for _, text := range []string{"", "-", "--1", ".", "e5", "1e", "1_000", "0x1", "inf", "NaN", "1e999", "1e308TB", "1e308d", "1s2", "1sB", "1k", "5 apples", "1s ", "1,5", "s", "1s-1s", "١"} {
		if v, _, ok := parseQuantity(text); ok {
			t.Errorf("%s is %v", text, v)
		}
	}
}

// TestWhereFindings wants a finding where the condition holds for the first
// match of one of the expressions.
func TestWhereFindings(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - name: slow
        match: ['took (?P<ms>\d+) ms', 'duration=(?P<time>\S+) (?P<path>\S+)', '^(?P<ms>\d+)']
        not: healthcheck
        where: ms > 500 or time > 1.5s and path !~ '^/batch'
      - {name: any, match: took}
`)
	b := batchOf(
		"took 499 ms", "took 501 ms", "took 400 ms, then took 900 ms", "duration=2s /page", "duration=2s /batch/1", "duration=1500ms /page",
		"took 100 ms duration=1m30s /x", "999", "healthcheck took 999 ms", "took ages duration=x /page", "took 9 ms duration=0.1 /x 999", "700 took 1 ms",
	)
	s.Match(b)
	want := []string{
		"0:any:took", "1:slow:took 501 ms", "1:any:took", "2:any:took", "3:slow:duration=2s /page", "6:slow:duration=1m30s /x", "6:any:took",
		"7:slow:999", "8:any:took", "9:any:took", "10:any:took", "11:slow:700", "11:any:took",
	}
	if got := describe(b); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var full []string
	for _, r := range s.FullPass() {
		full = append(full, r.Name)
	}
	if !slices.Equal(full, []string{"slow"}) {
		t.Errorf("tried on each record: %v", full)
	}
}

func TestCaptures(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: first, match: x}
      - name: r
        match: ['user=(?P<user>\w+) n=(?P<n>\d+)', 'user (?P<user>\w+)(?P<from> from \S+)?']
        where: n > 5 or user != 'root'
        by: [user]
`)
	for body, want := range map[string][]string{
		"user=anna n=3":                {"anna", "3", "", ""},
		"user=root n=3, user bob":      {"bob", "", "", ""}, // the condition does not hold for the first
		"user=root n=3, user b from c": {"b", "", " from c", ""},
		"user=root n=7 user bob":       {"root", "7", "", ""},
		"user=root n=3":                {"", "", "", ""},
		"":                             {"", "", "", ""},
	} {
		b := &agent.Batch{Buf: []byte("before ")}
		appendRecord(b, body)
		s.Match(b)
		var m submatch
		for i := range b.Findings {
			if b.Findings[i].Rule.Index == 1 {
				m = s.submatch(b, &b.Findings[i], new(reading))
			}
		}
		for i, name := range []string{"user", "n", "from", "other"} {
			if got := string(m.group(name)); got != want[i] {
				t.Errorf("%s: %s is %q, want %q", body, name, got, want[i])
			}
		}
	}
}

// FuzzWhere wants of what can be read that it means the same when it is written
// out and read again.
func FuzzWhere(f *testing.F) {
	for _, text := range []string{
		"a > 1", "a == 'x' and not (b =~ \"\\d+\" or c <= 1m30s)", "a>=-1.5e3KiB or b!='é'", "(((", "not not not a", "a < 5 or b", "1 > a", "a = 1", "a !~ '('", "a.b.0 == 1 and `x y` > 5", "``", "a..b > 1", "a in (1, 'x') or not a in (2)", "a in (", "a in ()", "a in (1,)", "in in (1)",
		strings.Repeat("(", 60), strings.Repeat("not ", 60) + "a > 1", "a == 'x", "a > 1\u00b5s", "a > 1e-\xff",
	} {
		f.Add(text, "12 x")
	}
	f.Fuzz(func(t *testing.T, text, line string) {
		w, err := parseWhere(text, anyGroup)
		if err != nil {
			if w != nil || err.msg == "" || err.hint == "" || err.column < 1 || err.column > len(text)+1 {
				t.Fatalf("%+v", *err)
			}
			return
		}
		again, err := parseWhere(w.String(), anyGroup)
		if err != nil {
			if len(w.String()) > maxWhere {
				return
			}
			t.Fatalf("%s: %s", w, err.msg)
		}
		if again.String() != w.String() || !slices.Equal(again.groups, w.groups) {
			t.Fatalf("%s is read as %s", w, again)
		}
		// Each group finds a part of the line, or nothing.
		body := []byte(line)
		at := []int{0, len(body), -1, -1, 0, len(body) / 2, len(body) / 2, len(body)}
		slots := make([]int, len(w.groups))
		for i := range slots {
			slots[i] = i%5 - 1
		}
		in := &found{body: body, at: at, slots: slots}
		if again.holds(in) != w.holds(in) {
			t.Fatalf("%s does not mean what %q does", w, text)
		}
	})
}

func TestWhereAllocates(t *testing.T) {
	w, err := parseWhere("a > 1.5s and (a =~ '5' or not a == 'root')", anyGroup)
	if err != nil {
		t.Fatal(err.msg)
	}
	f := &found{body: []byte("250m and what is more than fits on a stack"), at: []int{0, 0, 0, 4}, slots: []int{1}}
	if n := testing.AllocsPerRun(100, func() { w.holds(f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSelectorHolds judges labels of something that is no source.
func TestSelectorHolds(t *testing.T) {
	s := matchers.Of(map[string][]string{"target": {"main", "other"}, "status": {""}})
	for _, tt := range []struct {
		labels []agent.Label
		want   bool
	}{
		{[]agent.Label{{Name: "target", Value: "main"}}, true},
		{[]agent.Label{{Name: "target", Value: "third"}}, false},
		{[]agent.Label{{Name: "target", Value: "other"}, {Name: "status", Value: "x"}}, false},
		{nil, false},
	} {
		got := s.Hold(func(name string) string {
			for _, l := range tt.labels {
				if l.Name == name {
					return l.Value
				}
			}
			return ""
		})
		if got != tt.want {
			t.Errorf("%v: %v", tt.labels, got)
		}
	}
}

// TestPlainNumbers compares what is read without strconv with what strconv says.
func TestPlainNumbers(t *testing.T) {
	for _, s := range []string{"", ".", "5.", ".5", "1.2.3", "-1", "1e3", "0", "007", "200", "0.118", "1.000", "12345678901234.5", "123456789012345", "1234567890123456", "0.3", "2.675", "9007199254740993", "0.0000000000001", "99999.9999999999", "1s", " 1"} {
		want, unit, ok := parseQuantity(s)
		got, plain := plainNumber([]byte(s))
		if plain && (!ok || unit != noUnit || got != want) {
			t.Errorf("%q is %v, want %v, %t", s, got, want, ok)
		}
		if digits := strings.Trim(s, "0123456789"); !plain && digits == "" && 0 < len(s) && len(s) <= 15 {
			t.Errorf("%q is not read", s)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		s := strconv.Itoa(r.IntN(1e7)) + "." + strconv.Itoa(r.IntN(1e6))
		want, err := strconv.ParseFloat(s, 64)
		if got, ok := plainNumber([]byte(s)); err != nil || !ok || got != want {
			t.Fatalf("%s is %v, want %v", s, got, want)
		}
	}
}
