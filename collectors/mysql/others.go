package mysql

import "github.com/webgrip/logkeel/agent"

// A counts is executions of a statement, and the seconds that they took.
type counts struct{ n, seconds float64 }

// An others is what the statements took that have no series of their own. Which
// ones have one changes, so that it is summed up from one snapshot to the next:
// what all took since then, without what the shown ones did. So it never falls, and
// its rate and theirs are that of all statements. A series that is new has no rate
// before its second value: up to its first one what it grew by is the others'.
type others struct {
	known bool
	all   counts
	shown map[string]counts // by digest and schema
	sum   counts
}

// add takes the next snapshot: what all statements took since the server began to
// count, and those that are shown.
func (o *others) add(all counts, shown map[string]counts) counts {
	var grown counts
	switch {
	case !o.known: // all that was, is theirs
		grown = all
		for _, s := range shown {
			grown.n, grown.seconds = grown.n-s.n, grown.seconds-s.seconds
		}
	default:
		began := all.n < o.all.n // the server was restarted, or told to forget
		if began {
			o.all = counts{}
		}
		grown = counts{all.n - o.all.n, all.seconds - o.all.seconds}
		for key, s := range shown {
			before, ok := o.shown[key]
			switch {
			case began:
				before = counts{}
			case !ok:
				continue
			}
			grown.n, grown.seconds = grown.n-max(0, s.n-before.n), grown.seconds-max(0, s.seconds-before.seconds)
		}
	}
	o.known, o.all, o.shown = true, all, shown
	o.sum.n += max(0, grown.n)
	o.sum.seconds += max(0, grown.seconds)
	return o.sum
}

// otherLabels are those of its series.
func otherLabels() []agent.Label {
	return []agent.Label{{Name: "schema", Value: overflow}, {Name: "digest", Value: overflow}, {Name: "digest_text", Value: ""}}
}
