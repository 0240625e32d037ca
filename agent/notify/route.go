package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/matchers"
)

// A Route says of some alerts that they are told in another way. What it leaves
// out is as the notifier has it.
type Route struct {
	Match          matchers.Spec  `yaml:"match"`           // matchers of the alerts that the route is for; needed
	To             conf.Strings   `yaml:"to"`              // who is told, in place of the output's to; outputs of one receiver do not have it
	GroupBy        conf.Strings   `yaml:"group_by"`        // what alerts of one notice have in common, in place of the output's group_by
	GroupWait      *conf.Duration `yaml:"group_wait"`      // time from the first alert of a group to its notice, 0 to 1h, in place of the output's
	GroupInterval  *conf.Duration `yaml:"group_interval"`  // least time between two notices of a group that further alerts join, 1s to 30d, in place of the output's
	RepeatInterval *conf.Duration `yaml:"repeat_interval"` // time to a reminder of a group that still fires, 1s to 30d, in place of the output's
	Digest         *DigestConfig  `yaml:"digest"`          // gathers what is not urgent in one notice, in place of the output's digest
}

const maxRoutes = 50

// key is the same wherever the route stands in the list: alerts keep their group
// when routes are put before it.
func (r *Route) key() string {
	var b strings.Builder
	for i := range r.Match.Matchers {
		m := &r.Match.Matchers[i]
		fmt.Fprintf(&b, "%q %t %q", m.Name, m.Negated, m.Values)
		if m.Re != nil {
			fmt.Fprintf(&b, " ~%q", m.Re)
		}
		b.WriteByte('\n')
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:6])
}

// route is the index of the first route that is the alert's; -1: none is.
func (c *Config) route(a *agent.Alert) int {
	return slices.IndexFunc(c.Routes, func(r Route) bool { return r.Match.Hold(a.Label) })
}

// routeOf is the index of the route with that key; -1: there is none any more.
func (c *Config) routeOf(key string) int {
	if key == "" {
		return -1
	}
	return slices.IndexFunc(c.Routes, func(r Route) bool { return r.key() == key })
}

const routePrefix = "route "

// parseKey splits the key of a group.
func parseKey(key string) (route, rest string) {
	after, ok := strings.CutPrefix(key, routePrefix)
	if !ok {
		return "", key
	}
	route, rest, _ = strings.Cut(after, ":")
	return route, rest
}

// groupOf is the group of a new alert: its key, and what is shown of it.
func groupOf(a *agent.Alert, c *Config) (key string, labels []agent.Label) {
	by, prefix := c.GroupBy, ""
	i := c.route(a)
	if i >= 0 {
		prefix = routePrefix + c.Routes[i].key() + ":"
		if c.Routes[i].GroupBy != nil {
			by = c.Routes[i].GroupBy
		}
	}
	switch {
	case c.digestOf(i).gathers(a):
		return prefix + digestKey, nil
	case a.Late:
		return prefix + lateKey, nil
	}
	var b strings.Builder
	b.WriteString(prefix)
	for _, name := range by {
		labels = append(labels, agent.Label{Name: name, Value: a.Label(name)})
	}
	writeLabels(&b, labels)
	return b.String(), labels
}

// writeLabels writes labels so that no two lists of them read the same.
func writeLabels(b *strings.Builder, labels []agent.Label) {
	for _, l := range labels {
		b.WriteString(strconv.Quote(l.Name))
		b.WriteString(strconv.Quote(l.Value))
	}
}

// digestOf is the digest of the route with that index; of -1, the notifier's.
func (c *Config) digestOf(route int) *DigestConfig {
	if route >= 0 && c.Routes[route].Digest != nil {
		return c.Routes[route].Digest
	}
	return &c.Digest
}

// timing is how long a group waits.
type timing struct{ wait, interval, repeat time.Duration }

// timing is that of the route with that key.
func (c *Config) timing(route string) timing {
	t := timing{time.Duration(c.GroupWait), time.Duration(c.GroupInterval), time.Duration(c.RepeatInterval)}
	i := c.routeOf(route)
	if i < 0 {
		return t
	}
	for _, o := range []struct {
		to   *time.Duration
		from *conf.Duration
	}{{&t.wait, c.Routes[i].GroupWait}, {&t.interval, c.Routes[i].GroupInterval}, {&t.repeat, c.Routes[i].RepeatInterval}} {
		if o.from != nil {
			*o.to = time.Duration(*o.from)
		}
	}
	return t
}

// checkRoutes says what is wrong with match and routes.
func (c *Config) checkRoutes(d *conf.Doc, path string) error {
	var errs []error
	faults := func(path string, s *matchers.Spec) {
		for _, f := range s.Faults {
			errs = append(errs, d.Errorf(strings.TrimSuffix(path+"."+f.Label, "."), f.Hint, "%s", f.Msg))
		}
	}
	faults(path+".match", &c.Match)
	if len(c.Routes) > maxRoutes {
		errs = append(errs, d.Errorf(path+".routes", fmt.Sprintf("write at most %d", maxRoutes), "%d routes are too many", len(c.Routes)))
	}
	keys := map[string]int{}
	for i := range c.Routes {
		r := &c.Routes[i]
		at := fmt.Sprintf("%s.routes[%d]", path, i)
		faults(at+".match", &r.Match)
		if len(r.Match.Faults) == 0 && len(r.Match.Matchers) == 0 {
			errs = append(errs, d.Errorf(at+".match", "say which alerts it is for, as {severity: critical}", "the route has no match"))
			continue
		}
		if first, had := keys[r.key()]; had {
			errs = append(errs, d.Errorf(at+".match", "write the two as one", "it is that of routes[%d], which comes first", first))
		}
		keys[r.key()] = i
		if r.To != nil && !c.recipients {
			errs = append(errs, d.Errorf(at+".to", "remove it; write a second output for other receivers", "this output has one receiver"))
		}
		errs = append(errs,
			checkGroupBy(d, at, r.GroupBy), checkTimes(d, at, r.GroupWait, r.GroupInterval, r.RepeatInterval), r.Digest.check(d, at+".digest"))
	}
	return conf.Join(errs...)
}
