package notify

import (
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// A DigestConfig says which alerts are not urgent: they are gathered in one notice
// an hour or a day. In YAML it is daily, hourly, a time of the day, off, or a
// section of severity and at. The zero value gathers none.
type DigestConfig struct {
	Severity string // of alerts that are gathered: this one and below; "": none are
	At       string // hh:mm in local time, or hourly
}

const (
	hourly   = "hourly"
	daily    = "daily"
	dailyAt  = "08:00"
	noDigest = "off"
)

var clockForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])$`)

const digestHint = `write daily, hourly, "08:00", off, or {severity: info, at: "08:00"}`

// UnmarshalYAML reads any of the forms.
func (c *DigestConfig) UnmarshalYAML(n *yaml.Node) error {
	*c = DigestConfig{Severity: "info", At: dailyAt}
	switch n.Kind {
	case yaml.ScalarNode:
		c.At = n.Value
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i], n.Content[i+1]
			to := map[string]*string{"severity": &c.Severity, "at": &c.At}[name.Value]
			if to == nil || value.Kind != yaml.ScalarNode || value.ShortTag() == "!!null" {
				return &conf.Error{Line: name.Line, Msg: "a digest has severity and at, each with one value, and not " + strconv.Quote(name.Value), Hint: digestHint}
			}
			*to = value.Value
		}
	default:
		return &conf.Error{Msg: "a list is no digest", Hint: digestHint}
	}
	switch c.At {
	case daily:
		c.At = dailyAt
	case noDigest, "false":
		*c = DigestConfig{}
	}
	return nil
}

// JSONSchema is the form that UnmarshalYAML reads.
func (DigestConfig) JSONSchema() string {
	return `{"title": "digest", "anyOf": [
		{"enum": ["daily", "hourly", "off", false]},
		{"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
		{"type": "object", "additionalProperties": false, "properties": {
			"severity": {"enum": ["warning", "info"], "description": "Greatest severity of alerts that are gathered: warning or info; those below it are gathered too.", "default": "info"},
			"at": {"type": "string", "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|hourly|daily|off)$", "description": "When they are told: hh:mm in local time, hourly or daily.", "default": "08:00"}}}]}`
}

func (c *DigestConfig) check(d *conf.Doc, path string) error {
	if c == nil || *c == (DigestConfig{}) {
		return nil
	}
	var errs []error
	if c.Severity != "info" && c.Severity != "warning" {
		errs = append(errs, d.Errorf(path+".severity", "write info or warning; what is critical is told at once", "%q cannot wait", c.Severity))
	}
	if c.At != hourly && !clockForm.MatchString(c.At) {
		errs = append(errs, d.Errorf(path, digestHint, "%q is no time of the day", c.At))
	}
	return conf.Join(errs...)
}

// gathers reports whether the alert waits for the digest.
func (c *DigestConfig) gathers(a *agent.Alert) bool {
	return c.Severity != "" && rank(a.Rule.Severity) >= rank(c.Severity)
}

// after is the first time after t at which a digest is told. It is once a day also
// where clocks are put forward over that time, or back.
func (c *DigestConfig) after(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	if c.At == hourly {
		_, offset := t.Zone()
		east := time.Duration(offset) * time.Second
		return t.Add(east).Truncate(time.Hour).Add(time.Hour - east)
	}
	hour, minute := 8, 0
	if m := clockForm.FindStringSubmatch(c.At); m != nil {
		hour, _ = strconv.Atoi(m[1])
		minute, _ = strconv.Atoi(m[2])
	}
	for day := 0; ; day++ {
		if at := time.Date(t.Year(), t.Month(), t.Day()+day, hour, minute, 0, 0, zone); at.After(t) {
			return at
		}
	}
}

// untold reports whether there is something that people do not know: of it, or of
// its end.
func (e *entry) untold() bool {
	return e.news() || !e.alert.Firing() && !e.told.Over
}

// digests reports whether the next digest has the entry, which counts from since:
// it is untold, or has more findings than were told.
func (e *entry) digests() (since time.Duration, ok bool) {
	switch {
	case e.news():
		return e.since.at, true
	case e.untold():
		return e.over.at, true
	case e.alert.Count > e.told.Count:
		return max(e.told.At.at, e.changed, 0), true // a restart does not know when that was
	}
	return 0, false
}

func (e *entry) forDigest() bool {
	_, ok := e.digests()
	return ok
}

// digestDue is when what has come to the digest is to be told. Where there is no
// digest any more that is at once.
func (g *group) digestDue(by *terms) time.Duration {
	digest := by.config.digestOf(by.config.routeOf(g.route))
	at := never
	for _, e := range g.entries {
		since, ok := e.digests()
		if !ok || e.hidden(by.mute) {
			continue
		}
		if digest.Severity != "" {
			from := by.now.wall.Add(since - by.now.at)
			since += digest.after(from, time.Local).Sub(from)
		}
		at = min(at, since)
	}
	return at
}
