package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Health is how well a part does.
type Health uint8

// From best to worst.
const (
	Well   Health = iota
	Known         // nothing is wrong, and people may want to know it
	Warned        // it works, and not as it should or not for long
	Failed        // it does not work
)

// String is the word that scripts get: ok, info, warning or failed.
func (h Health) String() string {
	switch h {
	case Well:
		return "ok"
	case Known:
		return "info"
	case Warned:
		return "warning"
	}
	return "failed"
}

// A Diagnosis is one thing that was looked at. Its texts may have parts that
// others wrote: whoever shows them has to escape them. None of them has a secret.
type Diagnosis struct {
	Health Health
	Cause  string // one word for scripts, as fluentd_no_ack; "" where all is well
	What   string // what was found
	Why    string // what that comes of; "" where What says it
	Do     string // what to type or to write; "" where nothing is to be done
}

// A Diagnoser can say whether it works, and why not. It is one that does not run.
type Diagnoser interface {
	// Diagnose looks and reports what it finds, from one goroutine, until ctx is
	// done. It changes nothing: not in state_dir, not at a server, and it disturbs
	// no agent that runs.
	Diagnose(ctx context.Context, report func(Diagnosis))
}

// A Checkup is a part of the configuration that can be diagnosed.
type Checkup struct {
	Part    string // agent, collector or output
	Kind    string // the key of its section, as mysql
	Name    string // its own; "" where there is only one
	Look    func(ctx context.Context, report func(Diagnosis))
	Timeout time.Duration // of the whole; 0: as usual
}

// Title is how the part is known to people: mysql/db.
func (c *Checkup) Title() string {
	if c.Name == "" {
		return c.Kind
	}
	return c.Kind + "/" + c.Name
}

// Explained makes a Diagnosis of an error as this program writes them: what is
// wrong, and after the first semicolon what to do.
func Explained(h Health, cause, what string, err error) Diagnosis {
	why, do, _ := strings.Cut(err.Error(), "; ")
	return Diagnosis{Health: h, Cause: cause, What: what, Why: why, Do: do}
}

// DiagnoseSampler takes one snapshot and says how that went: one Diagnosis for each
// error that was joined in its own. cause names an error for scripts; where it is
// nil or gives "" the cause is down or incomplete. It reports whether all is well.
func DiagnoseSampler(ctx context.Context, s Sampler, cause func(error) string, report func(Diagnosis)) (well bool) {
	begun, n, down := time.Now(), 0, false
	err := s.Sample(ctx, func(m Sample) {
		n++
		if m.Value == 0 && (m.Name == "probe_success" || strings.HasSuffix(m.Name, "_up") && !strings.HasSuffix(m.Name, "_part_up")) {
			down = true
		}
	})
	if err == nil {
		report(Diagnosis{What: fmt.Sprintf("it answers: %s in %s", Count(n, "value"), round(time.Since(begun)))})
		return true
	}
	h, what, word := Warned, "something of it cannot be measured", "incomplete"
	if down || n == 0 {
		h, what, word = Failed, "nothing of it can be measured", "down"
	}
	for _, e := range parted(err) {
		c := ""
		if cause != nil {
			c = cause(e)
		}
		if c == "" {
			c = word
		}
		report(Explained(h, c, what, e))
	}
	return false
}

// parted are the errors that were joined.
func parted(err error) []error {
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) || err.Error() != errors.Join(all.Unwrap()...).Error() {
		return []error{err}
	}
	var parts []error
	for _, e := range all.Unwrap() {
		parts = append(parts, parted(e)...)
	}
	return parts
}

// Count is a number of things, for people: 1 file, 2 files.
func Count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

func round(d time.Duration) time.Duration {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	case d < time.Second:
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
