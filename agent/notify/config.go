package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

// Config is the keys that every notifier has in its section.
type Config struct {
	MinSeverity    string        `yaml:"min_severity"`    // critical, warning or info: alerts below are not told
	GroupBy        conf.Strings  `yaml:"group_by"`        // rule, class, severity, source, or labels of the alert
	GroupWait      conf.Duration `yaml:"group_wait"`      // from the first alert of a group to its notice
	GroupInterval  conf.Duration `yaml:"group_interval"`  // between notices of a group when new alerts join it
	RepeatInterval conf.Duration `yaml:"repeat_interval"` // between notices of a group that just goes on firing
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{
		MinSeverity:    "warning",
		GroupBy:        conf.Strings{"rule"},
		GroupWait:      conf.Duration(30 * time.Second),
		GroupInterval:  conf.Duration(5 * time.Minute),
		RepeatInterval: conf.Duration(4 * time.Hour),
	}
}

const (
	maxGroupBy  = 10
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

// Check says what is wrong with the keys in the notifier's section at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !slices.Contains(severities[:], c.MinSeverity) {
		bad(".min_severity", "write critical, warning or info", "%q is no severity", c.MinSeverity)
	}
	if len(c.GroupBy) > maxGroupBy {
		bad(".group_by", fmt.Sprintf("name at most %d", maxGroupBy), "%d names are too many", len(c.GroupBy))
	}
	for i, name := range c.GroupBy {
		switch {
		case strings.TrimSpace(name) == "":
			bad(".group_by", "write rule, class, severity, source, or names of labels", "a label without a name")
		case slices.Contains(c.GroupBy[:i], name):
			bad(".group_by", "name it once", "%q is there twice", name)
		}
	}
	between := func(field string, v conf.Duration, least, most time.Duration) {
		if t := time.Duration(v); t < least || t > most {
			bad(field, fmt.Sprintf("write %s to %s", conf.Duration(least), conf.Duration(most)), "%s is out of range", v)
		}
	}
	between(".group_wait", c.GroupWait, 0, longestWait)
	between(".group_interval", c.GroupInterval, shortest, longest)
	between(".repeat_interval", c.RepeatInterval, shortest, longest)
	return conf.Join(errs...)
}
