package statuspage

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/webgrip/logkeel/agent/history"
)

// HourPath is where programs get an Hour.
const HourPath = "/hour.json"

// firedTrack has the alerts that began.
const firedTrack = "fired"

// An Hour is how the last hour went, as JSON. Its members are stable.
type Hour struct {
	Since    time.Time `json:"since"` // an hour ago, or when the agent began
	Until    time.Time `json:"until"` // some seconds ago
	Lines    float64   `json:"lines"`
	Findings float64   `json:"findings"`
	Fired    float64   `json:"alerts_fired"` // alerts that began to fire
}

func hourOf(h *history.History) (hour Hour, ok bool) {
	times := h.Times()
	if len(times) == 0 {
		return hour, false
	}
	total := func(track string) (sum float64) {
		for _, s := range h.Series(track) {
			for _, v := range s.Points {
				if !math.IsNaN(v) {
					sum += v
				}
			}
		}
		return sum
	}
	return Hour{times[0], times[len(times)-1], total(linesTrack), total(severityTrack), total(firedTrack)}, true
}

func (h *handler) serveHour(w http.ResponseWriter) {
	hour, ok := hourOf(h.o.History)
	if !ok {
		http.Error(w, "nothing was observed yet", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(hour) // who asked may be gone
}
