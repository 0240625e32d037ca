package alertmanager

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	maxBatch   = 64
	leastPause = time.Second
	mostPause  = time.Minute
	// resends is for how many sendings an alert fires by itself: as in Prometheus.
	resends = 4
)

// A sending is one alert on its way to one instance.
type sending struct {
	id   string
	ends bool
	payload
}

// serve sends what is due to one instance until ctx is done.
func (o *Output) serve(ctx context.Context, in *instance) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-in.woken:
			if pause > 0 { // it is known to be away: the timer says when to try
				continue
			}
		}
		batch, next := o.due(in, time.Now())
		for len(batch) > 0 && ctx.Err() == nil {
			if err := o.deliver(ctx, in, batch); err != nil {
				break
			}
			batch, next = o.due(in, time.Now())
		}
		switch {
		case ctx.Err() != nil:
			return
		case len(batch) > 0:
			pause = min(max(leastPause, 2*pause), mostPause)
			next = pause - rand.N(pause/4) // so that not all agents come at once
		default:
			pause = 0
		}
		timer.Reset(next)
	}
}

// due is a batch of what the instance has to hear of now, and when to look again
// where that is nothing.
func (o *Output) due(in *instance, now time.Time) (batch []sending, next time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	resend := time.Duration(o.c.ResendInterval)
	next = resend
	for _, e := range o.store.all() {
		t := e.Told[in.key]
		if t.Over || t.refused {
			continue
		}
		// What was over at once is told as well, and long enough to be heard of:
		// Alertmanager tells nobody that something is over that it had not told.
		held := now.Sub(t.First) // below 0: the clock was set back
		ends := !e.Ended.IsZero() && !t.First.IsZero() && (held < 0 || held >= resend)
		at := t.last.Add(resend)
		if !ends && !e.Ended.IsZero() && !t.First.IsZero() && t.First.Add(resend).Before(at) {
			at = t.First.Add(resend)
		}
		if !ends && !t.last.IsZero() && at.After(now) {
			next = min(next, at.Sub(now))
			continue
		}
		if len(batch) == maxBatch {
			break
		}
		s := sending{id: e.ID, ends: ends, payload: payload{
			Labels: e.Labels, Annotations: e.Annotations, StartsAt: e.Starts, EndsAt: now.Add(resends * resend), GeneratorURL: o.c.ExternalURL,
		}}
		if ends {
			s.EndsAt = e.Ended
		}
		batch = append(batch, s)
	}
	return batch, next
}

// deliver sends a batch; what is refused in halves, until it is one alert: that is
// put aside. An error is one of the instance.
func (o *Output) deliver(ctx context.Context, in *instance, batch []sending) error {
	payloads := make([]payload, len(batch))
	for i := range batch {
		payloads[i] = batch[i].payload
	}
	err := in.post(ctx, payloads)
	var refusal refusalError
	switch {
	case err == nil:
		in.trouble.Clear("alerts are taken again")
		in.sent.Add(uint64(len(batch)))
		o.mark(in, batch, func(t *told, ends bool, now time.Time) {
			t.last, t.Over = now, ends
			if t.First.IsZero() {
				t.First = now
			}
		})
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refusal) && len(batch) > 1:
		half := len(batch) / 2
		if err := o.deliver(ctx, in, batch[:half]); err != nil {
			return err
		}
		return o.deliver(ctx, in, batch[half:])
	case errors.As(err, &refusal):
		in.trouble.Clear("alerts are taken again")
		in.refused.Add(1)
		in.refusal.Fail(err, "an alert is not taken, and put aside; others are sent", "alert", batch[0].Labels["alertname"])
		o.mark(in, batch, func(t *told, _ bool, _ time.Time) { t.refused = true })
	default:
		in.failed.Add(uint64(len(batch)))
		in.trouble.Fail(err, "alerts are not taken, and kept to be sent again")
		return err
	}
	return nil
}

// mark notes how far the instance is with the alerts of a batch.
func (o *Output) mark(in *instance, batch []sending, how func(t *told, ends bool, now time.Time)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for _, s := range batch {
		e := o.store.byID[s.id]
		if e == nil {
			continue
		}
		t, before := e.Told[in.key], e.Told[in.key]
		how(&t, s.ends && !e.Ended.IsZero(), now)
		e.Told[in.key], e.text = t, nil
		o.store.dirty = o.store.dirty || t.First != before.First || t.Over != before.Over
	}
}
