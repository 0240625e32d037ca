package redis

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/gomodule/redigo/redis"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/printable"
)

// Slowlog says what is read of the slow log, beside its length.
type Slowlog struct {
	Entries   bool `yaml:"entries"`   // counts the new entries of the slow log by command, and makes records of them with record
	Arguments bool `yaml:"arguments"` // adds what the commands were sent, which may be personal data, to records; needs entries
}

const (
	maxEntries  = 128 // that are read at once; what the server keeps, unless told otherwise
	maxCommands = 100 // that have a series of their own
)

// A slowlog reads the entries that are new. What was there before it was first
// asked is not.
type slowlog struct {
	Slowlog
	run    string // of the server
	begun  bool
	last   int64 // id of the newest entry that was read; -1 for none
	calls  map[string]float64
	time   map[string]float64 // seconds
	missed float64
}

// An entry is what the server took long for.
type entry struct {
	id, at, usec int64
	cmd          string // "" where it is none
	arguments    []string
	client, name string
}

// measure tells the length, and the entries that are new since the last snapshot.
func (s *slowlog) measure(ctx context.Context, d *dialer, c *client, run string, out *page) error {
	commands := []command{{"SLOWLOG", []any{"LEN"}}}
	if s.Entries {
		commands = append(commands, command{"SLOWLOG", []any{"GET", 1}})
	}
	replies, err := c.all(ctx, commands)
	if err != nil {
		return d.explain("slowlog", err)
	}
	var errs []error
	switch n, err := redis.Int64(replies[0].value, replies[0].err); {
	case err == nil:
		out.gauge("redis_slowlog_length", "Entries in the slow log.", float64(n))
	case unknownCommand(err) && s.Entries:
		return errors.New("the server has no SLOWLOG: it is renamed, or not for its customers; remove slowlog from the configuration")
	case unknownCommand(err): // some who offer Redis as a service have none
		return nil
	default:
		errs = append(errs, d.explain("slowlog|len", err))
	}
	if !s.Entries {
		return errors.Join(errs...)
	}
	newest, err := entriesOf(replies[1])
	if err == nil {
		newest, err = s.more(ctx, c, run, newest)
	}
	if err != nil {
		return errors.Join(append(errs, d.explain("slowlog|get", err))...)
	}
	s.report(newest, out)
	return errors.Join(errs...)
}

// more reads on where there is more than one entry that is new. The newest is the
// first.
func (s *slowlog) more(ctx context.Context, c *client, run string, newest []entry) ([]entry, error) {
	id := int64(-1)
	if len(newest) > 0 {
		id = newest[0].id
	}
	switch {
	case !s.begun: // all that is there is old
		s.begun, s.run, s.last = true, run, id
	case run != s.run || len(newest) > 0 && id < s.last: // the server was restarted, and counts from 0
		s.run, s.last = run, -1
	}
	if id-s.last < 2 {
		return newest, nil
	}
	v, err := c.do(ctx, "SLOWLOG", "GET", min(id-s.last+10, maxEntries)) // and those that came meanwhile
	return entriesOf(reply{v, err})
}

func entriesOf(r reply) ([]entry, error) {
	values, err := redis.Values(r.value, r.err)
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, v := range values {
		parts, err := redis.Values(v, nil)
		if err != nil || len(parts) < 4 {
			return nil, errors.New("an entry of the slow log that is none; is this a Redis server?")
		}
		var e entry
		for i, to := range []*int64{&e.id, &e.at, &e.usec} {
			if *to, err = redis.Int64(parts[i], nil); err != nil || *to < 0 || *to > 1<<53 {
				return nil, errors.New("an entry of the slow log with no number where one should be; is this a Redis server?")
			}
		}
		words, err := redis.Strings(parts[3], nil)
		if err == nil && len(words) > 0 {
			e.cmd, e.arguments = strings.ToLower(words[0]), words[1:]
		}
		if len(parts) > 5 { // since Redis 4
			e.client, _ = redis.String(parts[4], nil)
			e.name, _ = redis.String(parts[5], nil)
		}
		all = append(all, e)
	}
	return all, nil
}

var commandForm = conf.NewForm(`^[a-z][a-z0-9_.-]{0,31}$`)

// report counts what is new, and makes a record of each entry.
func (s *slowlog) report(entries []entry, out *page) {
	if len(entries) > 0 {
		out.gauge("redis_slowlog_last_id", "The newest entry of the slow log.", float64(entries[0].id))
		out.gauge("redis_last_slow_execution_duration_seconds", "How long that took.", float64(entries[0].usec)/1e6)
		if entries[0].id == s.last { // it is known
			entries = nil
		}
	}
	fresh := 0.0
	for _, e := range slices.Backward(entries) { // the oldest first
		if e.id <= s.last {
			continue
		}
		fresh++
		s.count(e)
		out.record(s.fields(e))
	}
	if len(entries) > 0 {
		s.missed += max(float64(entries[0].id-s.last)-fresh, 0)
		s.last = entries[0].id
	}
	for _, cmd := range slices.Sorted(maps.Keys(s.calls)) {
		label := agent.Label{Name: "cmd", Value: cmd}
		out.counter("logkeel_redis_slow_commands_total", "New entries of the slow log.", s.calls[cmd], label)
		out.counter("logkeel_redis_slow_commands_seconds_total", "Time that these took.", s.time[cmd], label)
	}
	out.counter("logkeel_redis_slowlog_missed_total", "Entries that the server had dropped before they were read.", s.missed)
}

func (s *slowlog) count(e entry) {
	if s.calls == nil {
		s.calls, s.time = map[string]float64{}, map[string]float64{}
	}
	cmd := e.cmd
	if _, ok := s.calls[cmd]; !ok && len(s.calls) >= maxCommands || !commandForm.MatchString(cmd) {
		cmd = "(other)"
	}
	s.calls[cmd]++
	s.time[cmd] += float64(e.usec) / 1e6
}

// fields are the record of an entry.
func (s *slowlog) fields(e entry) []agent.Field {
	fields := []agent.Field{
		{Name: "slowlog_id", Value: e.id},
		{Name: "slowlog_time", Value: e.at},
		{Name: "duration_seconds", Value: float64(e.usec) / 1e6},
		{Name: "cmd", Value: short(e.cmd)},
		{Name: "client", Value: short(e.client)},
		{Name: "client_name", Value: short(e.name)},
	}
	if s.Arguments {
		fields = append(fields, agent.Field{Name: "arguments", Value: arguments(e.arguments)})
	}
	return fields
}

// arguments is what a command was sent: in quotes where there are blanks in it, and
// cut.
func arguments(words []string) string {
	const longest = 1000
	var b strings.Builder
	for i, w := range words {
		if b.Len() > longest {
			b.WriteString(" …")
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		w = short(w)
		if w == "" || strings.ContainsAny(w, " \"") {
			w = `"` + strings.ReplaceAll(w, `"`, `\"`) + `"`
		}
		b.WriteString(w)
	}
	return printable.Line(b.String())
}
