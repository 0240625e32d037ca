package webhook

import (
	"math"
	"strconv"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// version is that of the schema. It changes when a member goes or gets another
// meaning, and not when one is added.
const version = "1"

// A payload is a notice as templates and the default body have it. Names are
// those of Alertmanager's webhook where that has the same. All text is UTF-8,
// all members are always there: what there is none of is null or empty.
type payload struct {
	Version  string `json:"version"`
	Kind     string `json:"kind"` // firing, update, resolved, digest, held_back or test
	ID       string `json:"id"`
	Thread   string `json:"thread"`
	Status   string `json:"status"` // firing or resolved
	Severity string `json:"severity"`
	Receiver string `json:"receiver"`
	Host     string `json:"host"`
	Title    string `json:"title"` // on one line, printable
	Late     bool   `json:"late"`
	Reminder bool   `json:"reminder"`

	GroupLabels       map[string]string `json:"groupLabels"`
	Alerts            []alert           `json:"alerts"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	TruncatedFindings uint64            `json:"truncatedFindings"`

	Previous *time.Time `json:"previous"`
	Held     *held      `json:"held"`
}

type held struct {
	Cap           int       `json:"cap"`
	WithinSeconds float64   `json:"withinSeconds"`
	Until         time.Time `json:"until"`
	Groups        int       `json:"groups"`
	Alerts        int       `json:"alerts"`
	Findings      uint64    `json:"findings"`
}

type alert struct {
	ID       string `json:"id"`
	Handle   string `json:"handle"`
	Status   string `json:"status"`
	Rule     string `json:"rule"`
	Class    string `json:"class"`
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Runbook  string `json:"runbook"`
	Source   string `json:"source"`

	Key    map[string]string `json:"key"`
	Labels map[string]string `json:"labels"`

	StartsAt time.Time  `json:"startsAt"`
	LastAt   time.Time  `json:"lastAt"`
	EndsAt   *time.Time `json:"endsAt"`
	End      string     `json:"end"`
	Late     bool       `json:"late"`

	Count     uint64 `json:"count"`
	Condition string `json:"condition"`
	Value     *value `json:"value"`
	Absent    bool   `json:"absent"`
	Inhibited string `json:"inhibited"`

	First    []line    `json:"first"`
	Latest   []line    `json:"latest"`
	Shapes   []shape   `json:"shapes"`
	Timeline *timeline `json:"timeline"`
	Around   []fact    `json:"around"`
}

type line struct {
	Time    time.Time `json:"time"`
	Source  string    `json:"source"`
	Text    string    `json:"text"`
	Context bool      `json:"context"`
}

type shape struct {
	Text  string `json:"text"`
	Count uint64 `json:"count"`
}

type timeline struct {
	Start       time.Time `json:"start"`
	StepSeconds float64   `json:"stepSeconds"`
	Counts      []uint64  `json:"counts"`
}

type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A value is a number that JSON may not know: NaN and the infinities are text.
type value float64

func (v value) String() string { return strconv.FormatFloat(float64(v), 'g', -1, 64) }

func (v value) MarshalJSON() ([]byte, error) {
	if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte(`"` + v.String() + `"`), nil
	}
	return []byte(v.String()), nil
}

const (
	firing   = "firing"
	resolved = "resolved"
)

func statusOf(ended bool) string {
	if ended {
		return resolved
	}
	return firing
}

// kindOf is the notice's kind as one word.
func kindOf(k notify.Kind) string {
	if k == notify.HeldBack {
		return "held_back"
	}
	return k.String()
}

func labelsOf(list []agent.Label, most int) map[string]string {
	m := make(map[string]string, len(list))
	for _, l := range list {
		m[cut(l.Name, most)] = cut(l.Value, most)
	}
	return m
}

// date is a time that JSON can hold, whatever a log said.
func date(t time.Time) time.Time {
	if y := t.UTC().Year(); y < 1 || y > 9998 {
		return time.Time{}
	}
	return t.UTC()
}

func dateOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = date(t)
	return &t
}
