package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var someDay = time.Date(2025, 1, 9, 14, 30, 0, 0, time.UTC)

func made(t *testing.T, size int64, seed uint64, start time.Time, storm bool) (*corpus, []byte) {
	t.Helper()
	c, err := generate(filepath.Join(t.TempDir(), "log"), size, seed, start, storm)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	if c.size != int64(len(b)) || c.size < size {
		t.Fatalf("it says that it has %d bytes, and has %d; %d were wanted", c.size, len(b), size)
	}
	c.path = ""
	return c, b
}

func TestGeneratorIsDeterministic(t *testing.T) {
	a, first := made(t, 300_000, 7, someDay, false)
	b, again := made(t, 300_000, 7, someDay, false)
	if *a != *b || !bytes.Equal(first, again) {
		t.Error("the same seed gives another log")
	}
	if _, other := made(t, 300_000, 8, someDay, false); bytes.Equal(first, other) {
		t.Error("another seed gives the same log")
	}
	later, _ := made(t, 300_000, 7, someDay.Add(47*time.Hour), false)
	if later.size != a.size || later.found != a.found || later.records.n != a.records.n {
		t.Errorf("another time gives another log: %+v, not %+v", later, a)
	}
}

// What the generator says of its log is what encoding/json and regexp find in it.
func TestGeneratorCountsWhatItPlants(t *testing.T) {
	for name, storm := range map[string]bool{"a day": false, "a storm": true} {
		t.Run(name, func(t *testing.T) {
			size := int64(1_500_000)
			if storm {
				size = 100_000
			}
			c, b := made(t, size, 1, someDay, storm)
			want := count(t, b)
			want.size = c.size
			if *c != want {
				t.Errorf("the generator says %+v, the log has %+v", *c, want)
			}
			for i, n := range c.found {
				if n < 10 {
					t.Errorf("%s holds for %d records", operations[i].Name, n)
				}
			}
			if storm && c.flagged != c.records {
				t.Errorf("in a storm %d of %d records are flagged", c.flagged.n, c.records.n)
			}
			if !storm && c.pieces.n == c.records.n {
				t.Error("no line is longer than Docker's pieces")
			}
		})
	}
}

func count(t *testing.T, b []byte) (c corpus) {
	t.Helper()
	var exprs []*regexp.Regexp
	for _, r := range operations {
		exprs = append(exprs, regexp.MustCompile(r.Expr))
	}
	var text []byte
	var last time.Time
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l struct {
			Log, Stream string
			Time        time.Time
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		if l.Time.Before(last) || l.Stream != "stdout" && l.Stream != "stderr" {
			t.Fatalf("%s", lines.Bytes())
		}
		last = l.Time
		piece, whole := strings.CutSuffix(l.Log, "\n")
		c.pieces.add([]byte(piece))
		text = append(text, piece...)
		if !whole {
			continue
		}
		c.records.add(text)
		hit := false
		for i, e := range exprs {
			if e.Match(text) {
				c.found[i]++
				hit = true
			}
		}
		if hit {
			c.flagged.add(text)
		}
		text = text[:0]
	}
	return c
}

// The rules are those that the agent ships.
func TestRulesAreThoseOfThePack(t *testing.T) {
	b, err := os.ReadFile("../rules/packs/operations.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var pack []rule
	for _, m := range regexp.MustCompile(`(?s)- name: (\w+)\n\s+class.*?match: '([^']*)'`).FindAllSubmatch(b, -1) {
		pack = append(pack, rule{string(m[1]), string(m[2])})
	}
	if len(pack) != len(operations) {
		t.Fatalf("the pack has %d rules: %v", len(pack), pack)
	}
	for i, r := range pack {
		if operations[i] != r {
			t.Errorf("rule %d is %v here and %v in the pack", i, operations[i], r)
		}
	}
}
