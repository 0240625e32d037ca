package heartbeat

import (
	"fmt"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// tellsAtLeast is how often those who tell people come round at least.
const tellsAtLeast = 10 * time.Minute

// A verdict is whether the agent is well.
type verdict struct {
	why   []string // it is not; none where it is
	logs  float64  // that are open
	lines float64  // that were read since the start
}

// say is the verdict in words, for the service and the log.
func (v *verdict) say() string {
	if len(v.why) == 0 {
		return fmt.Sprintf("logkeel is watching: %.0f logs are open, %.0f lines were read since it was started", v.logs, v.lines)
	}
	return "logkeel runs, but " + strings.Join(v.why, "; ")
}

// judge looks at how the parts of the agent do. What stalls for a while is told as
// an alert; here it is about what keeps alerts from being found, kept or told.
func judge(meter func(yield func(agent.Sample)), patience time.Duration) verdict {
	var v verdict
	var worst agent.Sample // of the logs that are not read on
	var mute agent.Sample  // of those who tell alerts and cannot
	stuck, tellers, mutes := 0, 0, 0
	over := func(s *agent.Sample, than time.Duration) bool { return s.Value > than.Seconds() }
	meter(func(s agent.Sample) {
		switch s.Name {
		case "logkeel_sources":
			v.logs = s.Value
		case "logkeel_source_lines_total":
			v.lines += s.Value
		case "logkeel_source_stalled_seconds":
			if over(&s, patience) {
				if stuck++; s.Value > worst.Value {
					worst = s
				}
			}
		case "logkeel_state_unwritten_seconds":
			if over(&s, patience) {
				v.why = append(v.why, fmt.Sprintf("%s cannot be written for %s: %s", label(&s, "part"), span(&s), s.Note))
			}
		case "logkeel_alerts_tick_seconds":
			if over(&s, patience) {
				v.why = append(v.why, "no alert was judged or kept for "+span(&s))
			}
		case "logkeel_notifications_tick_seconds":
			if over(&s, patience+tellsAtLeast) {
				v.why = append(v.why, fmt.Sprintf("the output %s hangs for %s", label(&s, "output"), span(&s)))
			}
		case "logkeel_output_stalled_seconds":
			if label(&s, "kind") != "alerts" {
				return
			}
			if tellers++; over(&s, patience) {
				mutes++
				mute = s
			}
		}
	})
	if stuck > 0 {
		name := label(&worst, "container")
		if name == "" {
			name = label(&worst, "source")
		}
		v.why = append(v.why, fmt.Sprintf("logs have more and are not read on (%d, the longest %s for %s): %s", stuck, name, span(&worst), worst.Note))
	}
	if tellers > 0 && mutes == tellers {
		v.why = append(v.why, fmt.Sprintf("nobody can be told of alerts (%s for %s): %s", label(&mute, "output"), span(&mute), mute.Note))
	}
	return v
}

func span(s *agent.Sample) string {
	return time.Duration(s.Value * float64(time.Second)).Round(time.Second).String()
}

func label(s *agent.Sample, name string) string {
	for _, l := range s.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}
