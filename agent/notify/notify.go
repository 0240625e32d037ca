// Package notify decides what people are told of alerts, and when. Alerts are
// gathered in groups, and a group is told in one notice. What was not told yet
// is updated instead of followed by another notice, however long that takes,
// and all of it is on the disk.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/silence"
)

// Kind says what a Notice tells.
type Kind int

// The kinds. An Update tells what joined the incident since, or reminds that it
// goes on. Resolved with a zero Previous tells what was and is over. A Digest
// gathers what was not urgent, and HeldBack says that no more is told for a
// while.
const (
	Firing Kind = iota
	Update
	Resolved
	Digest
	HeldBack
)

func (k Kind) String() string {
	switch k {
	case Update:
		return "update"
	case Resolved:
		return "resolved"
	case Digest:
		return "digest"
	case HeldBack:
		return "held back"
	}
	return "firing"
}

// A Notice is what there is to tell of one group. Whoever sends it changes
// nothing of it.
type Notice struct {
	ID     string // unique; the same at each try, also after a restart, until it was told
	Thread string // the ID of the incident's first notice
	Kind   Kind
	Group  []agent.Label // what the alerts have in common: the names of group_by, and the values
	Late   bool          // of the group of all that was long over when the agent read it

	// Alerts are those that fire before those that ended, the worst severity
	// first, most findings first. There are at most 50; More says how many
	// there are beyond these, and MoreFindings how many findings they have.
	Alerts       []agent.Alert
	More         int
	MoreFindings uint64

	Previous time.Time // when the incident's notice before was told; zero in the first
	Reminder bool      // nothing is new: it still fires

	Route int   // index of the first of Config.Routes that matches; -1: none does
	Held  *Held // of HeldBack: what is held back; nil in others
}

// Held is what is not told while the cap on notices is reached.
type Held struct {
	Cap      int           // notices that may be told within Within
	Within   time.Duration // before the cap was reached
	Until    time.Time     // when notices are told again
	Groups   int           // that wait to be told
	Alerts   int           // in them
	Findings uint64        // in these
}

// Send brings a notice to people. It returns when the receiver has it, and gives
// up by itself when that takes too long.
type Send func(ctx context.Context, n *Notice) error

type refused struct{ err error }

func (r *refused) Error() string { return r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

// Refused marks the error of a receiver that will not take this notice, however
// often it is tried. Any other error of a Send is one that may pass.
func Refused(err error) error {
	if err == nil {
		return nil
	}
	return &refused{err}
}

func isRefused(err error) bool {
	var r *refused
	return errors.As(err, &r)
}

// Options of a Queue.
type Options struct {
	Config Config        // must have passed Check
	Name   string        // of the notifier, for logs
	Dir    string        // the journal's own folder; made where it is not there
	Log    *slog.Logger  // nil: silent
	Labels []agent.Label // on every sample of Meter

	Silences *silence.Watch // what people do not want to be told of; nil: nothing
}
