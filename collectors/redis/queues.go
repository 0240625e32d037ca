package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/webgrip/logkeel/agent"
)

const (
	maxQueues   = 100  // that have a series of their own
	maxFound    = 1000 // that are measured; those beyond maxQueues are one series
	maxPatterns = 20
	maxKey      = 512       // bytes of a key
	forget      = time.Hour // after that a key that a pattern has found and that is no more
	late        = time.Minute
)

// queues measures keys that are queues. A key that is empty does not exist: it is
// 0, and one that a pattern has found is remembered for a while.
type queues struct {
	db     int
	prefix string
	now    func() time.Time
	scan   scan

	all []*queue // those that are named, and then those that were found, oldest first
}

// A queue is a key, as far as it is known from one snapshot to the next.
type queue struct {
	name  string // without prefix
	named bool   // in the configuration
	kind  string // list, zset or stream, when it was there last; "" where it never was
	seen  time.Time

	state   state
	length  float64
	overdue float64
	since   time.Time // it has been stuck; zero where it is not
}

// A state is what is known of a queue in a snapshot.
type state uint8

const (
	unknown state = iota // a right is missing, or the key is no queue
	absent               // which is empty
	present
)

func newQueues(c Config, now func() time.Time) *queues {
	q := &queues{db: c.DB, prefix: c.Prefix, now: now, scan: scan{Scan: c.Scan}}
	for _, name := range c.Queues {
		if isPattern(name) {
			q.scan.patterns = append(q.scan.patterns, name)
		} else {
			q.all = append(q.all, &queue{name: name, named: true})
		}
	}
	return q
}

func isPattern(s string) bool { return strings.ContainsAny(s, "*?[") }

// isQueue reports whether a key of this type has a length that is told.
func isQueue(kind string) bool { return kind == "list" || kind == "zset" || kind == "stream" }

// timed reports whether the key is a sorted set by time, as Laravel's are, or will
// be one when it is there.
func (one *queue) timed() bool {
	return (one.kind == "zset" || one.kind == "") && (strings.HasSuffix(one.name, ":delayed") || strings.HasSuffix(one.name, ":reserved"))
}

// measure looks for keys where it is time to, and measures those that are known.
func (q *queues) measure(ctx context.Context, d *dialer, c *client, out *page) error {
	if len(q.all) == 0 && len(q.scan.patterns) == 0 {
		return nil
	}
	if err := c.choose(ctx, q.db); err != nil {
		return d.explain("select", err)
	}
	refused := refusals{d: d}
	if err := q.look(ctx, c, &refused); err != nil {
		return d.explain("scan", err)
	}
	kinds := make([]command, len(q.all))
	for i, one := range q.all {
		kinds[i] = command{"TYPE", []any{q.prefix + one.name}}
	}
	replies, err := c.all(ctx, kinds)
	if err != nil {
		return d.explain("type", err)
	}
	now := q.now()
	known := q.all[:0]
	for i, one := range q.all {
		if one.is(replies[i], now, &refused); one.named || now.Sub(one.seen) < forget {
			known = append(known, one)
		}
	}
	clear(q.all[len(known):])
	q.all = known
	if err := q.lengths(ctx, c, now, &refused); err != nil {
		return d.explain("llen", err)
	}
	q.report(now, out)
	return errors.Join(refused.errs...)
}

// is notes of which type the key is.
func (one *queue) is(r reply, now time.Time, refused *refusals) {
	kind, err := redis.String(r.value, r.err)
	switch {
	case err != nil:
		one.state, one.seen = unknown, now
		refused.add("type", err)
	case isQueue(kind):
		one.kind, one.state, one.seen = kind, present, now
	case kind != "none" && one.named:
		one.state = unknown
		refused.errs = append(refused.errs, fmt.Errorf("queue %q is a %.20q: only lists, sorted sets and streams have a length; remove it from queues", short(one.name), kind))
	default: // it is empty, or something else than what a pattern has found
		one.state = absent
	}
}

// lengths asks for the lengths, and for what is overdue, in one go.
func (q *queues) lengths(ctx context.Context, c *client, now time.Time, refused *refusals) error {
	var commands []command
	var into []func(float64, bool)
	ask := func(got func(float64, bool), name string, args ...any) {
		commands, into = append(commands, command{name, args}), append(into, got)
	}
	for _, one := range q.all {
		one.overdue = 0
		if one.state != present {
			continue
		}
		key := q.prefix + one.name
		ask(one.counted, map[string]string{"list": "LLEN", "zset": "ZCARD", "stream": "XLEN"}[one.kind], key)
		if one.timed() {
			ask(one.dated, "ZCOUNT", key, "-inf", strconv.FormatInt(now.Add(-late).Unix(), 10))
		}
	}
	replies, err := c.all(ctx, commands)
	if err != nil {
		return err
	}
	for i, r := range replies {
		n, err := redis.Int64(r.value, r.err)
		if err != nil && errorCode(err) != "WRONGTYPE" { // it has become another one since
			refused.add(strings.ToLower(commands[i].name), err)
		}
		into[i](float64(n), err == nil)
	}
	return nil
}

func (one *queue) counted(n float64, ok bool) {
	if !ok {
		one.state = unknown
		return
	}
	// Whether it is stuck is seen of the length that it had.
	if one.kind == "list" && n < one.length {
		one.since = time.Time{}
	}
	one.length = n
}

func (one *queue) dated(n float64, ok bool) {
	one.overdue = n
	if !ok {
		one.overdue = -1
	}
}

// stuck is for how long there have been jobs and none was taken: a list has not
// got shorter, or something in a sorted set is overdue.
func (one *queue) stuck(now time.Time) (time.Duration, bool) {
	jobs := one.length
	switch {
	case one.timed():
		jobs = one.overdue
	case one.kind == "zset" || one.kind == "stream":
		return 0, false
	}
	if jobs <= 0 {
		one.since = time.Time{}
		return 0, jobs == 0
	}
	if one.since.IsZero() {
		one.since = now
	}
	return max(now.Sub(one.since), 0), true
}

const helpLength = "Jobs in the queue."

// report writes what is known of each queue. Those that are too many for a series
// of their own are one together.
func (q *queues) report(now time.Time, out *page) {
	other, more, series := 0.0, false, 0
	for _, one := range q.all {
		if one.state == unknown {
			continue
		}
		if one.state == absent {
			one.length = 0
		}
		if series++; series > maxQueues {
			other, more = other+one.length, true
			continue
		}
		name := agent.Label{Name: "queue", Value: short(one.name)}
		out.gauge("redis_key_size", "The key's length.", one.length, agent.Label{Name: "db", Value: "db" + strconv.Itoa(q.db)}, agent.Label{Name: "key", Value: short(q.prefix + one.name)})
		out.gauge("logkeel_redis_queue_length", helpLength, one.length, name)
		fields := []agent.Field{{Name: name.Name, Value: name.Value}, {Name: "logkeel_redis_queue_length", Value: one.length}}
		if one.timed() && one.overdue >= 0 {
			fields = append(fields, agent.Field{Name: "logkeel_redis_queue_overdue", Value: one.overdue})
			out.gauge("logkeel_redis_queue_overdue", "Jobs whose time came more than a minute ago, and that no worker has taken.", one.overdue, name)
		}
		if t, ok := one.stuck(now); ok {
			fields = append(fields, agent.Field{Name: "logkeel_redis_queue_stuck_seconds", Value: t.Seconds()})
			out.gauge("logkeel_redis_queue_stuck_seconds", "For how long there have been jobs, and no fewer of them; 0 while they are taken.", t.Seconds(), name)
		}
		out.record(fields)
	}
	if more {
		out.gauge("logkeel_redis_queue_length", helpLength, other, agent.Label{Name: "queue", Value: "(other)"})
	}
	q.scan.report(now, out)
}

// refusals are what the server refuses, each kind once.
type refusals struct {
	d    *dialer
	errs []error
	said map[string]bool
}

func (r *refusals) add(rule string, err error) {
	if r.said[rule] {
		return
	}
	if r.said == nil {
		r.said = map[string]bool{}
	}
	r.said[rule] = true
	r.errs = append(r.errs, r.d.explain(rule, err))
}
