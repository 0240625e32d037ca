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
	var without []Diagnosis
	err := s.Sample(ctx, func(m Sample) {
		n++
		if m.Value == 0 && m.Note != "" && strings.HasSuffix(m.Name, "_part_up") {
			without = append(without, Explained(Known, "part", "a part is left out", errors.New(m.Note)))
		}
		if m.Value == 0 && (m.Name == "probe_success" || strings.HasSuffix(m.Name, "_up") && !strings.HasSuffix(m.Name, "_part_up")) {
			down = true
		}
	})
	for _, d := range without {
		if err == nil || !strings.Contains(err.Error(), d.Why) {
			report(d)
		}
	}
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
		d := Explained(h, c, what, e)
		if d.Do == "" {
			d.Do = "look at what it says of itself (its log), and compare the section with docs/samplers.md"
			if h == Failed {
				d.Do = "is it started, and does it listen there? Compare the address with its own settings; in Compose its name is that of its service"
			}
		}
		report(d)
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

// Skewed is said of a clock that is not as ours.
func Skewed(whose string, theirs, ours time.Time) Diagnosis {
	d, way := theirs.Sub(ours), "ahead of"
	if d < 0 {
		d, way = -d, "behind"
	}
	return Diagnosis{
		Health: Warned, Cause: "clock_skew", What: fmt.Sprintf("%s is %s %s this machine's", whose, d.Round(time.Second), way),
		Why: "times of lines and of alerts do not fit together, and certificates may seem to be invalid",
		Do:  "let both keep their time by NTP: timedatectl set-ntp true, and see timedatectl timesync-status",
	}
}

// Some is the first few of a list, for people.
func Some(all []string) string {
	const most = 3
	if len(all) <= most+1 {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
}

// ShellWord is a text as one word of a command line, for it may be a stranger's.
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
