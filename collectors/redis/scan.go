package redis

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

// A scan looks for keys that match patterns. It goes on in each snapshot from
// where it was, until it has seen all keys for each pattern.
type scan struct {
	Scan
	patterns []string // without the prefix

	running bool
	pattern int    // that it is at
	cursor  string // of the server
	begun   time.Time
	omitted int // queues that it found and that are too many

	whole time.Time // when the last one that is done was begun
	left  int       // its omitted
}

// look goes on with the scan as far as one snapshot may.
func (q *queues) look(ctx context.Context, c *client, refused *refusals) error {
	s := &q.scan
	start := q.now()
	if !s.running {
		if len(s.patterns) == 0 || !s.begun.IsZero() && start.Sub(s.begun) < time.Duration(s.Interval) && !start.Before(s.begun) {
			return nil
		}
		s.running, s.begun, s.pattern, s.cursor, s.omitted = true, start, 0, "0", 0
	}
	known := make(map[string]*queue, len(q.all))
	for _, one := range q.all {
		known[one.name] = one
	}
	for keys := 0; keys < s.Keys && q.now().Sub(start) < time.Duration(s.Timeout); keys += s.Count {
		if err := q.step(ctx, c, known, refused); err != nil {
			s.running, s.begun = false, time.Time{} // it begins anew: the server may be another one
			if errorCode(err) == "" {
				return err
			}
			refused.add("scan", err)
			return nil
		}
		if s.cursor != "0" {
			continue
		}
		if s.pattern++; s.pattern == len(s.patterns) {
			s.running, s.whole, s.left = false, s.begun, s.omitted
			return nil
		}
	}
	return nil
}

// step is one call of SCAN. Keys that it finds and that are queues are known then.
func (q *queues) step(ctx context.Context, c *client, known map[string]*queue, refused *refusals) error {
	s := &q.scan
	values, err := redis.Values(c.do(ctx, "SCAN", s.cursor, "MATCH", literal(q.prefix)+s.patterns[s.pattern], "COUNT", s.Count))
	if err != nil {
		return err
	}
	if len(values) != 2 {
		return errors.New("an answer to SCAN that is none; is this a Redis server?")
	}
	cursor, err := redis.String(values[0], nil)
	if err != nil || !isDigits(cursor) {
		return errors.New("an answer to SCAN without a cursor; is this a Redis server?")
	}
	keys, err := redis.Strings(values[1], nil)
	if err != nil {
		return err
	}
	s.cursor = cursor
	return q.found(ctx, c, keys, known, refused)
}

// found adds the keys that are queues and that are not known.
func (q *queues) found(ctx context.Context, c *client, keys []string, known map[string]*queue, refused *refusals) error {
	var fresh []string
	var kinds []command
	for _, key := range keys {
		name, ok := strings.CutPrefix(key, q.prefix)
		// Laravel's :notify has an element for each job of the queue beside it.
		if !ok || len(key) > maxKey || known[name] != nil || strings.HasSuffix(name, ":notify") {
			continue
		}
		fresh, kinds = append(fresh, name), append(kinds, command{"TYPE", []any{key}})
	}
	if len(fresh) == 0 {
		return nil
	}
	replies, err := c.all(ctx, kinds)
	if err != nil {
		return err
	}
	for i, name := range fresh {
		kind, err := redis.String(replies[i].value, replies[i].err)
		switch {
		case err != nil:
			refused.add("type", err)
		case !isQueue(kind) || known[name] != nil: // SCAN may say a key twice
		case len(q.all) >= maxFound:
			q.scan.omitted++
		default:
			one := &queue{name: name, seen: q.now()}
			q.all, known[name] = append(q.all, one), one
		}
	}
	return nil
}

func (s *scan) report(now time.Time, out *page) {
	if s.whole.IsZero() {
		return
	}
	out.gauge("logkeel_redis_queues_omitted", "Queues that match a pattern and are not measured, for there are too many; of the last scan.", float64(s.left))
	out.gauge("logkeel_redis_queue_scan_age_seconds", "How long ago the last scan was begun that is done: a queue that is younger may be missing.", max(now.Sub(s.whole), 0).Seconds())
}

// literal is text as a part of a pattern that matches itself.
func literal(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s)
}
