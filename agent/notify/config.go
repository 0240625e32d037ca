package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/matchers"
)

// Config is the keys that every notifier has in its section.
type Config struct {
	Match       matchers.Spec `yaml:"match"`                                     // matchers of the alerts that are told at all, as {service: shop}; none: all
	MinSeverity string        `yaml:"min_severity" enum:"critical warning info"` // least severity that is told; alerts below it are told only where a digest gathers them
	// what alerts of one notice have in common: rule, class, severity, source or labels, 10
	// at most; []: all are in one
	GroupBy        conf.Strings  `yaml:"group_by"`
	GroupWait      conf.Duration `yaml:"group_wait"`      // time from the first alert of a group to its notice, 0 to 1h
	GroupInterval  conf.Duration `yaml:"group_interval"`  // least time between two notices of a group that further alerts join, 1s to 30d
	RepeatInterval conf.Duration `yaml:"repeat_interval"` // time to a reminder of a group that still fires, 1s to 30d
	// gathers what is not urgent in one notice: daily (at 08:00), hourly, a time as "07:30",
	// off, or {severity: warning, at: "07:30"}
	Digest     DigestConfig `yaml:"digest"`
	MaxPerHour int          `yaml:"max_per_hour"` // how many notices are sent within any hour, 1 to 1000; 0: any number
	Routes     []Route      `yaml:"routes"`       // other ways to tell of some alerts, 50 at most; the first whose match selects an alert holds for it

	recipients bool // routes may name some
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{
		MinSeverity:    "warning",
		GroupBy:        conf.Strings{"rule"},
		GroupWait:      conf.Duration(30 * time.Second),
		GroupInterval:  conf.Duration(5 * time.Minute),
		RepeatInterval: conf.Duration(4 * time.Hour),
		MaxPerHour:     20,
	}
}

// AllowRecipients lets routes have the key to. It is the notifier that checks the
// names and heeds them, by Notice.Route.
func (c *Config) AllowRecipients() { c.recipients = true }

const (
	maxGroupBy  = 10
	maxPerHour  = 1000
	shortest    = time.Second // of the times between notices
	longestWait = time.Hour
	longest     = 30 * 24 * time.Hour
)

// severities are the names from the worst to the least.
var severities = [...]string{"critical", "warning", "info"}

// rank orders severities, the worst first. An unknown one is as bad as the worst: it must not be kept from people.
func rank(severity string) int {
	return max(0, slices.Index(severities[:], severity))
}

// takes reports whether the notifier is to tell of the alert.
func (c *Config) takes(a *agent.Alert) bool {
	if !c.Match.Hold(a.Label) {
		return false
	}
	return rank(a.Rule.Severity) <= rank(c.MinSeverity) || c.digestOf(c.route(a)).gathers(a)
}

// Check says what is wrong with the keys in the notifier's section at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !slices.Contains(severities[:], c.MinSeverity) {
		bad(".min_severity", "write critical, warning or info", "%q is no severity", c.MinSeverity)
	}
	if c.MaxPerHour < 0 || c.MaxPerHour > maxPerHour {
		bad(".max_per_hour", fmt.Sprintf("write 1 to %d, or 0 for any number", maxPerHour), "%d is out of range", c.MaxPerHour)
	}
	errs = append(errs,
		checkGroupBy(d, path, c.GroupBy), checkTimes(d, path, &c.GroupWait, &c.GroupInterval, &c.RepeatInterval),
		c.Digest.check(d, path+".digest"), c.checkRoutes(d, path))
	return conf.Join(errs...)
}

func checkGroupBy(d *conf.Doc, path string, by conf.Strings) error {
	var errs []error
	bad := func(hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+".group_by", hint, format, args...))
	}
	if len(by) > maxGroupBy {
		bad(fmt.Sprintf("name at most %d", maxGroupBy), "%d names are too many", len(by))
	}
	for i, name := range by {
		switch {
		case strings.TrimSpace(name) == "":
			bad("write rule, class, severity, source, or names of labels", "a label without a name")
		case slices.Contains(by[:i], name):
			bad("name it once", "%q is there twice", name)
		}
	}
	return conf.Join(errs...)
}

// checkTimes passes over those that are nil.
func checkTimes(d *conf.Doc, path string, wait, interval, repeat *conf.Duration) error {
	var errs []error
	between := func(field string, v *conf.Duration, least, most time.Duration) {
		if v == nil {
			return
		}
		if t := time.Duration(*v); t < least || t > most {
			errs = append(errs, d.Errorf(path+field, fmt.Sprintf("write %s to %s", conf.Duration(least), conf.Duration(most)), "%s is out of range", *v))
		}
	}
	between(".group_wait", wait, 0, longestWait)
	between(".group_interval", interval, shortest, longest)
	between(".repeat_interval", repeat, shortest, longest)
	return conf.Join(errs...)
}
