package engine

import (
	"bytes"
	"regexp"
	"testing"
	"unicode/utf8"
)

// FuzzExpr compares what Find says with what regexp says, with room for all
// states, and with so little that they are forgotten all the time.
func FuzzExpr(f *testing.F) {
	for _, x := range [][2]string{
		{`connection.*failed|database.*error`, "a database had an error, connection failed"},
		{`(?i)\btask killed\b`, "a ta\u017f\u212a TA\u017fK KILLED."},
		{`^panic: .+ \[recovered\]$`, "x\npanic: a [recovered]\ny"},
		{`(?:\b|x)*y`, "xxy xy y"},
		{`(|a)+`, "aaa"},
		{`(|a)*b`, "aab"},
		{`(a|ab)(c|bcd)(d*)`, "abcd"},
		{`(?:(?:^|a)*)+?$`, "aa\na"},
		{`(a|b)*a(a|b){8}`, "abbabababbababbbabababbbabaab"},
		{`(x+x+)+y`, "xxxxxxxxxxxxxxxxxx"},
		{`[^"]*"é+[日本]?`, "say \"é日"},
		{`\pL+\d`, "straße1"},
		{`\B`, "日本 ab"},
		{`.\b.`, "日a"},
		{`\x{FFFD}`, "\xff\ufffd"},
		{`a\z|\Ab`, "ba"},
		{`[\x{D800}-\x{FFFF}]`, "\ue000"},
		{`\d+?\s*$`, "12 \n3"},
		{`x*`, "日x"},
		{`a??b`, "aab"},
	} {
		f.Add(x[0], []byte(x[1]))
	}
	f.Fuzz(func(t *testing.T, s string, body []byte) {
		if len(s) > 100 || len(body) > 300 {
			return
		}
		e, err := Compile(s)
		if err != nil {
			return
		}
		small, err := Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		small.once.Do(func() { small.build(1500) })
		digit, err := Compile(`\d\s`)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile("(?m)" + s)
		union := NewUnion([]*Expr{digit, e}, []int32{70, 3}, 2, nil)
		smallUnion := NewUnion([]*Expr{digit, e}, []int32{70, 3}, 2, nil)
		if smallUnion.d != nil {
			smallUnion.d.limit = 1500
		}
		for _, body := range [][]byte{body, bytes.Repeat(body, 3), bytes.ToValidUTF8(body, nil), nil} {
			want := re.FindIndex(body)
			for _, u := range []*Union{union, smallUnion, union} {
				together(t, u, body, want != nil, digit.re.Match(body))
			}
			for _, e := range []*Expr{e, small, e} {
				start, end, ok := e.Find(body)
				if ok != (want != nil) || ok && (start != want[0] || end != want[1]) {
					t.Fatalf("%q in %q: %d to %d, %v; want %v", s, body, start, end, ok, want)
				}
				alone(t, e, body, want)
			}
		}
	})
}

// alone asks the machines only, from where the text begins.
func alone(t *testing.T, e *Expr, body []byte, want []int) {
	t.Helper()
	e.once.Do(func() { e.build(maxStates) })
	start, end, known := e.run(body, 0)
	if !known {
		return
	}
	if (end >= 0) != (want != nil) || end >= 0 && (start != want[0] || end != want[1]) {
		t.Fatalf("%s in %q: the machines say %d to %d; want %v", e.source, body, start, end, want)
	}
}

// together asks the union of expressions with the bits 3 and 70 in two words.
func together(t *testing.T, u *Union, body []byte, third, seventieth bool) {
	t.Helper()
	row := make([]uint64, 2)
	u.Mark(body, row)
	if third && row[0] != 1<<3 || seventieth && row[1] != 1<<6 {
		t.Fatalf("in %q: the union says %b", body, row)
	}
	if clear(row); u.d == nil || !utf8.Valid(body) || !u.d.mark(body, row, u.all) {
		return
	}
	if (row[0] != 0) != third || (row[1] != 0) != seventieth {
		t.Fatalf("in %q: the union says %b", body, row)
	}
}
