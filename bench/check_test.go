package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func testTally(texts ...string) (t tally) {
	for _, x := range texts {
		t.add([]byte(x))
	}
	return t
}

func sleeper(t *testing.T) *process {
	t.Helper()
	p, err := start(t.TempDir(), []string{"sleep", "600"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

// A contender that ships too little, too much or something else is found out.
func TestAwait(t *testing.T) {
	p := sleeper(t)
	for name, c := range map[string]struct {
		came  []string
		texts bool
		want  string
	}{
		"all, in another order":  {[]string{"b", "c", "a"}, true, ""},
		"one is missing":         {[]string{"a", "b"}, true, "2 of 3 records came"},
		"one came twice":         {[]string{"a", "b", "c", "b"}, true, "4 of 3 records came: some came twice"},
		"one in another's place": {[]string{"a", "b", "b"}, true, "not with the text"},
		"texts are not known":    {[]string{"x", "y", "z"}, false, ""},
		"nothing":                {nil, true, "0 of 3 records came"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink{got: testTally(c.came...), last: time.Now()}
			j := &job{who: &contender{texts: c.texts}, sink: s, proc: p}
			_, err := j.await(t.Context(), testTally("a", "b", "c"), 20*time.Millisecond)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if (j.known == "each text") != (c.want == "" && c.texts) {
				t.Errorf("it is said to be checked: %q", j.known)
			}
		})
	}
}

func TestCheckMetrics(t *testing.T) {
	all := &corpus{records: tally{n: 10}, found: [nRules]int64{1, 2, 3, 4, 5, 6}}
	for name, c := range map[string]struct {
		lines int64
		found [nRules]int64
		rules []rule
		want  string
	}{
		"all":               {10, all.found, rules, ""},
		"no rules":          {10, [nRules]int64{}, nil, ""},
		"a line is missing": {9, all.found, rules, "9 of 10 records"},
		"a rule is wrong":   {10, [nRules]int64{1, 2, 3, 4, 5, 7}, rules, "SuspiciousRequest holds for 6 records, it says 7"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, "logkeel_source_lines_total{container=\"a b\"} %d\nlogkeel_source_lines_total{container=\"c\"} 1\n", c.lines-1)
				for i, r := range operations {
					fmt.Fprintf(w, "logkeel_findings_total{rule=\"%s\",source=\"docker\"} %de+00\n", r.Name, c.found[i])
				}
			}))
			defer server.Close()
			j := &job{log: all, setup: setup{Metrics: port(t, server.URL), Rules: c.rules}}
			err := checkMetrics(t.Context(), j)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func port(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCheckOutput(t *testing.T) {
	counter := func(name string, n int) string {
		return fmt.Sprintf(`"%s": [{"Name": "%s", "LabelValues": [{"Value": {"Value": %d}}]}]`, name, name, n)
	}
	var counters []string
	for i, r := range operations {
		counters = append(counters, counter(r.Name, i))
	}
	good := "some words\n{\n" + strings.Join(counters, ",") + "\n}more words"
	all := &corpus{flagged: tally{n: 12}, found: [nRules]int64{0, 1, 2, 3, 4, 5}}
	for output, c := range map[string]struct {
		check checker
		want  string
	}{
		"12\n":        {checkCount, ""},
		"11\n":        {checkCount, `counts "11" lines, not 12`},
		"":            {checkCount, `counts "" lines`},
		good:          {checkMtail, ""},
		"a failure":   {checkMtail, "prints no counters: a failure"},
		"x\n{\n  }":   {checkMtail, "PerformanceIssue holds for 1 records, it says 0"},
		"{\n\"a\": 1": {checkMtail, "its counters"},
	} {
		j := &job{log: all, proc: &process{out: filepath.Join(t.TempDir(), "output")}}
		if err := os.WriteFile(j.proc.out, []byte(output), 0o600); err != nil {
			t.Fatal(err)
		}
		err := c.check(t.Context(), j)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", output, err)
		}
	}
}

// Every contender's configuration can be written for each of its tasks, and has
// the rules in it where the task has.
func TestConfigurations(t *testing.T) {
	for _, c := range append(peers(), logkeel(ours, "/bin/logkeel")) {
		for _, task := range tasks() {
			if !c.does(task.name) {
				continue
			}
			s := task.setup
			s.Docker, s.Log, s.Work, s.Port, s.Metrics = "/d", "/d/log", t.TempDir(), 1, 2
			c.path = "/bin/" + c.name
			command, err := c.prepare(s)
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, task.name, err)
				continue
			}
			text := strings.Join(command, " ")
			files, _ := filepath.Glob(filepath.Join(s.Work, "*"))
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				text += "\n" + string(b)
			}
			if strings.Contains(text, "<no value>") || strings.Contains(text, "{{") {
				t.Errorf("%s, %s:\n%s", c.name, task.name, text)
			}
			ruled := strings.Contains(text, "csrf") || strings.Contains(text, "packs: [operations")
			if ruled != (len(s.Rules) > 0 && !strings.HasSuffix(c.name, noRules)) {
				t.Errorf("%s, %s: rules %t:\n%s", c.name, task.name, ruled, text)
			}
		}
	}
}

func TestPosix(t *testing.T) {
	text := "Authentication FAILED, authentication failed, authentication-failed, FATAL"
	for _, r := range operations {
		want := regexp.MustCompile(r.Expr).FindAllString(text, -1)
		got := regexp.MustCompilePOSIX(posix(r.Expr)).FindAllString(text, -1)
		if strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s became %s: %v, not %v", r.Expr, posix(r.Expr), got, want)
		}
	}
}

func TestFind(t *testing.T) {
	all := []*contender{
		{name: "a", programs: []string{"no-such-program-1", "sh"}},
		{name: "b", programs: []string{"no-such-program-2"}},
		{name: "b, other", programs: []string{"no-such-program-2"}},
		{name: "c", programs: []string{"sh"}},
	}
	found, missing := find(all, []string{"a", "b"})
	if len(found) != 1 || found[0].name != "a" || filepath.Base(found[0].path) != "sh" {
		t.Errorf("found %v", found)
	}
	if len(missing) != 1 || missing[0] != "no-such-program-2" {
		t.Errorf("missing: %v", missing)
	}
}

func TestProcess(t *testing.T) {
	p, err := start(t.TempDir(), []string{"sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo; echo its last words; exec sleep 600"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	for begun := time.Now(); p.lastWords() != "its last words"; time.Sleep(time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("it says %q", p.lastWords())
		}
	}
	busy, err := p.settle(t.Context(), p.out, 50*time.Millisecond)
	if err != nil || busy.Before(p.began) {
		t.Fatalf("busy until %v: %v", busy, err)
	}
	now, peak := p.memory()
	wakeups, threads := p.wakeups()
	if ticks, ok := p.ticks(); !ok || ticks > p.cpu()+50*time.Millisecond {
		t.Errorf("%v in ticks, %v in all", ticks, p.cpu())
	}
	if p.cpu() <= 0 || now <= 0 || peak < now || threads != 1 || wakeups < 0 {
		t.Errorf("%v, %d and %d bytes, %d threads", p.cpu(), now, peak, threads)
	}
	before := p.cpu()
	p.stop()
	if !p.over() || p.cpu() <= 0 || before <= 0 {
		t.Errorf("it has ended: %t, %v", p.over(), p.cpu())
	}
	if _, after := p.memory(); after != peak {
		t.Errorf("its peak was %d bytes, and is %d after its end", peak, after)
	}
	if _, err := start(t.TempDir(), []string{"no-such-program"}); err == nil {
		t.Error("a program that is not there starts")
	}
}

func TestSettleGivesUp(t *testing.T) {
	p := sleeper(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("enough"))
	if _, err := p.settle(ctx, p.out, time.Hour); err == nil || err.Error() != "enough" {
		t.Errorf("%v", err)
	}
	if _, err := p.settle(t.Context(), p.out+"-not", time.Hour); err == nil {
		t.Error("it waits for a file that is not there")
	}
}
