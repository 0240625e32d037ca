package mysql

import "testing"

func TestOthers(t *testing.T) {
	var o others
	for i, c := range []struct {
		all   counts
		shown map[string]counts
		want  counts
	}{
		{counts{100, 10}, map[string]counts{"a": {60, 6}}, counts{40, 4}},
		{counts{100, 10}, map[string]counts{"a": {60, 6}}, counts{40, 4}},
		{counts{110, 11}, map[string]counts{"a": {65, 6.5}}, counts{45, 4.5}},
		{counts{130, 13}, map[string]counts{"b": {30, 3}}, counts{65, 6.5}}, // another one is shown
		{counts{140, 14}, map[string]counts{"a": {66, 6.6}, "b": {39, 3.9}}, counts{66, 6.6}},
		{counts{10, 1}, map[string]counts{"a": {4, 0.5}}, counts{72, 7.1}}, // the server was restarted
		{counts{12, 1}, map[string]counts{"a": {9, 0.5}}, counts{72, 7.1}}, // never less
	} {
		got := o.add(c.all, c.shown)
		if d := got.seconds - c.want.seconds; got.n != c.want.n || d > 1e-9 || d < -1e-9 {
			t.Errorf("%d: %v, want %v", i, got, c.want)
		}
	}
}
