package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// The moods of a page.
const (
	pageFast int32 = iota
	pageSlow
	pageDown
)

// A page stands in for the health page of an application.
type page struct {
	url  string
	mood atomic.Int32
	asks atomic.Int64

	srv  *http.Server
	done chan struct{}
}

func newPage() (*page, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the stand-in for the page: %w", err)
	}
	p := &page{url: "http://" + ln.Addr().String() + "/health", done: make(chan struct{})}
	p.srv = &http.Server{Handler: p, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(p.done)
		p.srv.Serve(ln)
	}()
	return p, nil
}

func (p *page) close() {
	p.srv.Close()
	<-p.done
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asks.Add(1)
	took := 3*time.Millisecond + rand.N(15*time.Millisecond)
	mood := p.mood.Load()
	if mood == pageSlow {
		took = 400*time.Millisecond + rand.N(200*time.Millisecond)
	}
	if pause(r.Context(), took) != nil {
		return
	}
	if mood == pageDown {
		http.Error(w, "the database is away", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "healthy")
}

// pause sleeps, unless ctx is done before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
