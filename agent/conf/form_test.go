package conf

import "testing"

func TestForm(t *testing.T) {
	f := NewForm(`^a+$`)
	for text, want := range map[string]bool{"aa": true, "b": false, "": false} {
		if got := f.MatchString(text); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}
