package probe

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// maxSkew is how far a server's clock may be from this one until it is said. The
// header Date has whole seconds, and a cache may have kept it for a while.
const maxSkew = time.Minute

// Diagnose probes once: what the answer should have been, and whether the
// server's clock is ours.
func (c Config) Diagnose(ctx context.Context, report func(agent.Diagnosis)) {
	s, err := New(c)
	if err != nil {
		report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
		return
	}
	r, err := s.Probe(ctx)
	try := "logkeel probe " + c.Name
	switch failed := failedChecks(r.Checks); {
	case err == nil:
		report(agent.Diagnosis{What: fmt.Sprintf("it answers %d in %s, as it should", r.Status, r.Times.Total.Round(100*time.Microsecond))})
	case len(failed) > 0:
		for _, k := range failed {
			report(agent.Diagnosis{
				Health: agent.Failed, Cause: "http_" + k.Kind, What: "it answers, and not as expect wants it (" + shorten(k.What, 100) + ")",
				Why: k.Text, Do: try + " shows the answer; put the page right, or expect",
			})
		}
	default:
		d := agent.Explained(agent.Failed, "http_no_answer", "there is no answer", err)
		if d.Do == "" {
			d.Do = try + " shows how far it comes"
		}
		report(d)
	}
	if d, ok := skew(r.Header, time.Now()); ok {
		report(d)
	}
}

func failedChecks(all []Check) (failed []Check) {
	for _, c := range all {
		if c.Text != "" {
			failed = append(failed, c)
		}
	}
	return failed
}

// skew compares the clock of who answered with ours.
func skew(h http.Header, now time.Time) (agent.Diagnosis, bool) {
	if h.Get("Age") != "" { // of a cache: the date is when it was made
		return agent.Diagnosis{}, false
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || now.Sub(date).Abs() < maxSkew {
		return agent.Diagnosis{}, false
	}
	return agent.Skewed("the server's clock", date, now), true
}
