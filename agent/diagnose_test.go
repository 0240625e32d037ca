package agent

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

type asked struct {
	samples []Sample
	err     error
}

func (a asked) Sample(_ context.Context, yield func(Sample)) error {
	for _, s := range a.samples {
		yield(s)
	}
	return a.err
}
func (asked) Close() error { return nil }

func TestDiagnoseSampler(t *testing.T) {
	up, down := Sample{Name: "mysql_up", Value: 1}, Sample{Name: "mysql_up"}
	part := Sample{Name: "logkeel_mysql_part_up", Note: "no right; GRANT it"}
	one := errors.New("no statements; GRANT SELECT; or set limit to 0")
	for _, tt := range []struct {
		name string
		of   asked
		want []Diagnosis
	}{
		{"well", asked{[]Sample{up}, nil}, []Diagnosis{{Health: Well}}},
		{"a part is left out", asked{[]Sample{up, part}, nil}, []Diagnosis{{Known, "part", "", "no right", "GRANT it"}, {Health: Well}}},
		{"a part is wanted", asked{[]Sample{up, part}, errors.New("no right; GRANT it")}, []Diagnosis{{Warned, "incomplete", "", "no right", "GRANT it"}}},
		{"incomplete", asked{[]Sample{up}, one}, []Diagnosis{{Warned, "incomplete", "", "no statements", "GRANT SELECT; or set limit to 0"}}},
		{"two errors", asked{[]Sample{up}, errors.Join(one, errors.Join(nil, errors.New("b; c")))}, []Diagnosis{{Warned, "incomplete", "", "no statements", "GRANT SELECT; or set limit to 0"}, {Warned, "incomplete", "", "b", "c"}}},
		{"a wrapped one", asked{[]Sample{up}, fmt.Errorf("all: %w", errors.Join(one, one))}, []Diagnosis{{Health: Warned, Cause: "incomplete"}}},
		{"down", asked{[]Sample{down}, errors.New("refused; start it")}, []Diagnosis{{Failed, "down", "", "refused", "start it"}}},
		{"nothing", asked{nil, errors.New("refused")}, []Diagnosis{{Health: Failed, Cause: "down", Why: "refused"}}},
	} {
		var got []Diagnosis
		DiagnoseSampler(t.Context(), tt.of, nil, func(d Diagnosis) { got = append(got, d) })
		if len(got) != len(tt.want) {
			t.Errorf("%s: %v", tt.name, got)
			continue
		}
		for i, w := range tt.want {
			g := got[i]
			if g.Health != w.Health || g.Cause != w.Cause || w.Why != "" && g.Why != w.Why || w.Do != "" && g.Do != w.Do || g.Health >= Warned && g.Do == "" && w.Why != "" {
				t.Errorf("%s: %+v, want %+v", tt.name, g, w)
			}
		}
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"/var/log/app.log": "/var/log/app.log", "": "''", "a b": "'a b'", "$(rm -r /)": "'$(rm -r /)'", "it's": `'it'\''s'`} {
		if got := ShellWord(in); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
}
