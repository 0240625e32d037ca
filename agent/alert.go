package agent

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// An Alert is what there is to tell of one incident: findings that passed their
// rule's threshold, or a sample that was out of bounds for long enough. It is
// told as it stands now; each time it is told again its Revision is higher. Its
// JSON is kept on disks.
type Alert struct {
	// ID is derived from the rule, what it counts by and the record or sample
	// with which it began, so that an alert that is found again after a crash
	// has the ID that it had before.
	ID       string `json:"id"`
	Revision uint64 `json:"rev"`
	Rule     Rule   `json:"rule"`

	Key    []Label `json:"key,omitempty"`    // what the rule counts by, and its values here
	Labels []Label `json:"labels,omitempty"` // of the source that was found last, or of the sample
	Source string  `json:"source"`           // for people: the log's name, or the sample's target

	Starts time.Time `json:"starts"`          // when it began, by the data's own time
	Last   time.Time `json:"last"`            // when it was last so
	Seen   time.Time `json:"seen"`            // when the agent came to know of it
	Ended  time.Time `json:"ended,omitzero"`  // zero while it fires
	End    string    `json:"end,omitempty"`   // why it ended, where it is not that it was over
	Late   bool      `json:"late,omitempty"`  // it is about what was long over when the agent read it
	Count  uint64    `json:"count,omitempty"` // findings since Starts; 0 of a sample

	First  []Line `json:"first,omitempty"`  // the lines with which it began
	Latest []Line `json:"latest,omitempty"` // and the newest, none of which is in First

	Condition string  `json:"condition,omitempty"` // of a sample: what held, as "redis_up == 0 for 1m"
	Value     float64 `json:"value,omitempty"`     // and its newest value
	Absent    bool    `json:"absent,omitempty"`    // it is that nothing came: Condition says what, and there is no Value
	Labelled  bool    `json:"labelled,omitempty"`  // it is what labels say: Condition has it, and the Value says nothing

	// Inhibited names the rule of an alert that fires and explains this one;
	// "" is none. It is not news as long as that goes on.
	Inhibited string `json:"inhibited,omitempty"`

	Shapes   []Shape   `json:"shapes,omitempty"`   // what the lines have in common, the most frequent first; their counts add up to Count
	Timeline *Timeline `json:"timeline,omitempty"` // of findings; nil of a sample
	Around   []Fact    `json:"around,omitempty"`   // what else was measured when it began
}

// Handle names what the alert is about, its rule and what that counts by, for
// commands that people type: eight hexadecimal digits, the same when it comes
// again.
func (a *Alert) Handle() string {
	h := sha256.New()
	write := func(s string) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	write(a.Rule.Name)
	for _, l := range a.Key {
		write(l.Name)
		write(l.Value)
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// Measured reports whether the alert is about a Value, which says something beside
// the Condition.
func (a *Alert) Measured() bool { return a.Condition != "" && !a.Absent && !a.Labelled }

// Firing reports whether the alert goes on.
func (a *Alert) Firing() bool { return a.Ended.IsZero() }

// Label is what matchers, and notifiers' group_by, know of the alert: rule, class,
// severity, source, handle, what it counts by, or a label; "" where there is none.
func (a *Alert) Label(name string) string {
	switch name {
	case "rule":
		return a.Rule.Name
	case "class":
		return a.Rule.Class
	case "severity":
		return a.Rule.Severity
	case "source":
		return a.Source
	case "handle":
		return a.Handle()
	}
	for _, list := range [][]Label{a.Key, a.Labels} {
		for _, l := range list {
			if l.Name == name {
				return l.Value
			}
		}
	}
	return ""
}

// A Line is the start of a record that an Alert shows. The text is as it was
// logged, but for secrets that were cut: whoever shows it has to escape it.
type Line struct {
	Time   time.Time `json:"time"`
	Source string    `json:"source"` // the log's name
	Text   string    `json:"text"`

	// Context says that the rule did not find this line: it stands before or
	// after one that it found.
	Context bool `json:"context,omitempty"`
}

// A Shape is a message without what changes from one to the next, as numbers,
// addresses and quoted names; with how often it was found.
type Shape struct {
	Text  string `json:"text"` // "(other)" is all that are not told apart
	Count uint64 `json:"count"`
}

// A Timeline is how often something was found in equal steps of the data's own
// time.
type Timeline struct {
	Start  time.Time     `json:"start"` // of the first step
	Step   time.Duration `json:"step"`
	Counts []uint64      `json:"counts"` // at most 60
}

// A Fact is a measured value in words, for people: "slowest statement" and
// "SELECT … FROM invoices, 2.3 s in the mean".
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// An Alerter makes alerts of findings and samples. It is a durable consumer of
// records that keeps its positions itself, together with what it has counted up
// to them.
type Alerter interface {
	// Consumer holds the Alerter's positions.
	Consumer() *Consumer
	// Records judges the findings of b in the records from index from on, and
	// takes the source up to b.Pos. It keeps nothing of b.
	Records(b *Batch, from int)
	// Opened says that the source is being read from now on, and Closed that it is
	// not any more; gone says that it will not come back.
	Opened(src *Source)
	Closed(src *Source, gone bool)
	// Samples judges a full snapshot; nil says that there is none any more. It
	// does not change samples and may keep them.
	Samples(name string, samples []Sample)
	// Run brings alerts to the outputs and what it has counted to the disk
	// until ctx is done, and then once more. unread says, by open source,
	// what is there and was not read yet, 0 where that is nothing: no alert of a
	// source with something unread is over.
	Run(ctx context.Context, unread func() map[string]int64) error
	// Stored is an error where Run, when it ended, could not write what was
	// counted: another Alerter would begin where the last write was.
	Stored() error
}

// ErrInMemory is wrapped by the error of an AlertOutput that has taken alerts,
// and tells of them, but cannot write them to the disk.
var ErrInMemory = errors.New("alerts are kept in memory alone")

// An AlertOutput is an Output that tells people of alerts.
type AlertOutput interface {
	Output
	// Notify takes alerts as they stand now and returns when they are on the
	// disk, so that neither a stop nor a kill loses one. After an error that wraps
	// ErrInMemory they were taken and will be told, but are not on the disk yet;
	// after any other, some may not have been taken. After either they are given
	// again. An alert may come again in the same or an older Revision.
	Notify(ctx context.Context, alerts []Alert) error
	// Reconcile says, at the start, which alerts fire, by ID. Others that the
	// output was told of are over: the agent has lost what it knew of them.
	Reconcile(ctx context.Context, firing map[string]bool) error
}
