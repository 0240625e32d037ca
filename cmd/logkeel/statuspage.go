package main

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/history"
	"github.com/webgrip/logkeel/outputs/statuspage"
)

// page is what shows people how the agent does.
func (r *runner) page() http.Handler {
	host, _ := os.Hostname()
	return statuspage.New(statuspage.Options{
		Meter: r.meter, History: r.history, Ended: r.ended.Ended, Config: r.describe,
		Firing: func(most int) ([]agent.Alert, int) {
			if a := r.alerts.Load(); a != nil {
				return a.Firing(most)
			}
			return nil, 0
		},
		Now: time.Now, Started: r.began, Version: thisBuild().Version, Host: host, Log: r.log,
	})
}

// describe is the configuration that the agent has.
func (r *runner) describe() statuspage.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := statuspage.Config{File: r.inUse.doc.File, Loaded: r.last, Rules: len(r.inUse.rules.Rules())}
	if r.bad != nil {
		c.Error = r.bad.Error()
	}
	var b strings.Builder
	_ = r.inUse.summary(&b) // a builder takes everything
	_, c.Summary, _ = strings.Cut(b.String(), "\n")
	return c
}

// observe keeps what the page draws, until ctx is done.
func (r *runner) observe(ctx context.Context) {
	tick := time.NewTicker(history.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.observeOnce()
		}
	}
}

// observeOnce takes one look, while there is a page. The first one is before
// anything is read: whatever is counted then is of the last hour.
func (r *runner) observeOnce() {
	r.mu.Lock()
	o := r.inUse.Outputs.Prometheus
	r.mu.Unlock()
	if o != nil && o.StatusPage {
		r.history.Observe(time.Now(), r.meter)
	} else {
		r.history.Reset()
	}
}
