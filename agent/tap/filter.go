package tap

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/matchers"
)

// A Filter says what somebody wants to see. Lists are of patterns as path.Match
// has them, of which one has to match; an empty list matches all.
type Filter struct {
	Match      []string `json:"match,omitempty"` // texts of matchers, all of which have to hold
	Services   []string `json:"service,omitempty"`
	Containers []string `json:"container,omitempty"`
	Streams    []string `json:"stream,omitempty"` // stdout, stderr
	Class      []string `json:"class,omitempty"`
	Severity   []string `json:"severity,omitempty"`
	Rules      []string `json:"rule,omitempty"`
	Findings   bool     `json:"findings,omitempty"` // only lines in which a rule found something
	Grep       string   `json:"grep,omitempty"`     // only lines that this matches, as RE2 has it
	Alerts     bool     `json:"alerts,omitempty"`   // alerts as well
	NoLines    bool     `json:"no_lines,omitempty"` // and no lines
}

// Limits of what a client may ask.
const (
	maxRequest  = 64 << 10 // bytes of JSON
	maxPatterns = 100      // of one list
	maxGrep     = 4 << 10
)

// A FilterError names the flag that is wrong.
type FilterError struct{ Flag, Msg, Hint string }

func (e *FilterError) Error() string { return fmt.Sprintf("%s: %s; %s", e.Flag, e.Msg, e.Hint) }

// Check says what is wrong with the filter; the error is a *FilterError.
func (f *Filter) Check() error {
	_, err := f.compile()
	return err
}

// A filter is a Filter that was compiled. It belongs to one client, whose lock
// guards it.
type filter struct {
	Filter
	matchers []matchers.Matchers
	grep     *regexp.Regexp // nil: none
	flagged  bool           // only lines with findings
	rules    map[*agent.Rule]bool
}

// maxKnownRules bounds what is remembered of rules: a reload replaces them.
const maxKnownRules = 4096

func (f *Filter) compile() (*filter, error) {
	c := &filter{Filter: *f, rules: map[*agent.Rule]bool{}}
	for _, list := range []struct {
		flag     string
		patterns []string
	}{{"--service", f.Services}, {"--container", f.Containers}, {"--stream", f.Streams}, {"--class", f.Class}, {"--severity", f.Severity}, {"--rule", f.Rules}, {"MATCHERS", f.Match}} {
		if len(list.patterns) > maxPatterns {
			return nil, &FilterError{list.flag, fmt.Sprintf("%d are too many", len(list.patterns)), fmt.Sprintf("name %d at most, or use *", maxPatterns)}
		}
		for _, p := range list.patterns {
			if list.flag == "MATCHERS" {
				continue
			}
			if _, err := path.Match(p, ""); err != nil {
				return nil, &FilterError{list.flag, fmt.Sprintf("%q is no pattern", p), "close each ["}
			}
		}
	}
	for _, text := range f.Match {
		m, err := matchers.Parse(text)
		if err != nil {
			return nil, &FilterError{"MATCHERS", err.Error(), err.Hint}
		}
		c.matchers = append(c.matchers, m)
	}
	for flag, known := range map[string][]string{"--stream": {"stdout", "stderr"}, "--severity": {"critical", "warning", "info"}} {
		asked := f.Streams
		if flag == "--severity" {
			asked = f.Severity
		}
		for _, p := range asked {
			if !slices.ContainsFunc(known, func(k string) bool { ok, _ := path.Match(p, k); return ok }) {
				return nil, &FilterError{flag, fmt.Sprintf("nothing is %q", p), "write " + strings.Join(known, ", ")}
			}
		}
	}
	if len(f.Grep) > maxGrep {
		return nil, &FilterError{"--grep", "the expression is too long", fmt.Sprintf("write %d bytes at most", maxGrep)}
	}
	if f.Grep != "" {
		re, err := regexp.Compile(f.Grep)
		if err != nil {
			msg, hint := conf.ExplainRegexp(err)
			return nil, &FilterError{"--grep", msg, hint}
		}
		c.grep = re
	}
	c.flagged = f.Findings || len(f.Class)+len(f.Severity)+len(f.Rules) > 0
	return c, nil
}

// all reports whether lines without findings are wanted.
func (f *filter) all() bool { return !f.flagged && !f.NoLines }

func (f *filter) source(src *agent.Source) bool {
	return f.selects(func(label string) string { return labelOf(src, label) })
}

func (f *filter) alert(a *agent.Alert) bool {
	return f.Alerts && f.named(&a.Rule) && f.selects(a.Label)
}

func (f *filter) selects(label func(string) string) bool {
	if !among(f.Services, func() string { return label("service") }) || !among(f.Containers, func() string { return label("container") }) {
		return false
	}
	for _, m := range f.matchers {
		if !m.Hold(label) {
			return false
		}
	}
	return true
}

// rule reports whether a finding of the rule makes its line wanted.
func (f *filter) rule(r *agent.Rule) bool {
	if len(f.Class)+len(f.Severity)+len(f.Rules) == 0 {
		return true
	}
	wanted, known := f.rules[r]
	if !known {
		if len(f.rules) >= maxKnownRules {
			clear(f.rules)
		}
		wanted = f.named(r)
		f.rules[r] = wanted
	}
	return wanted
}

func (f *filter) named(r *agent.Rule) bool {
	return among(f.Class, func() string { return r.Class }) && among(f.Severity, func() string { return r.Severity }) && among(f.Rules, func() string { return r.Name })
}

// labelOf is a label of the source, as rules have it, or the collector's name.
func labelOf(src *agent.Source, name string) string {
	switch v := src.Label(name); {
	case v != "":
		return v
	case name == "collector":
		return src.Collector
	case src.Container != nil:
		return src.Container.Labels[name]
	}
	return ""
}

// among says that one of the patterns matches, or that there is none.
func among(patterns []string, value func() string) bool {
	if len(patterns) == 0 {
		return true
	}
	v := value()
	return slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, v); return ok })
}
