package docker

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// manyEngine is an engine with n containers on a socket of its own, each with one
// line, and no more.
type manyEngine struct {
	n       int
	conns   atomic.Int64 // open now
	follows atomic.Int64
	calls   atomic.Int64
	end     chan struct{}
}

func (e *manyEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.calls.Add(1)
	w.Header().Set("Api-Version", "1.41")
	path := r.URL.Path[strings.Index(r.URL.Path[1:], "/")+1:]
	id := strings.Split(strings.TrimPrefix(path, "/containers/"), "/")[0]
	switch {
	case strings.HasSuffix(path, "_ping"):
	case strings.HasSuffix(path, "/events"):
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-e.end:
		}
	case strings.HasSuffix(path, "/containers/json"):
		all := make([]map[string]any, e.n)
		for i := range all {
			all[i] = map[string]any{"Id": e.id(i), "Names": []string{fmt.Sprintf("/box-%d", i)}, "State": "running"}
		}
		json.NewEncoder(w).Encode(all)
	case strings.HasSuffix(path, "/json"):
		json.NewEncoder(w).Encode(map[string]any{
			"Id": id, "Name": "/box-" + id[:8], "Config": map[string]any{"Image": "box:1"},
			"State":      map[string]any{"Running": true, "StartedAt": "2025-01-09T14:30:00Z"},
			"HostConfig": map[string]any{"LogConfig": map[string]any{"Type": "local"}},
		})
	case strings.HasSuffix(path, "/logs"):
		line := "2025-01-09T14:30:00.000000001Z one\n"
		w.Write(append(binary.BigEndian.AppendUint32([]byte{1, 0, 0, 0}, uint32(len(line))), line...))
		if r.URL.Query().Get("follow") != "1" {
			return
		}
		w.(http.Flusher).Flush()
		e.follows.Add(1)
		defer e.follows.Add(-1)
		select {
		case <-r.Context().Done():
		case <-e.end:
		}
	default:
		http.NotFound(w, r)
	}
}

func (e *manyEngine) id(i int) string { return fmt.Sprintf("%064x", i+1) }

// Hundreds of containers have a stream each, up to a bound, and cost little while
// they write nothing.
func TestLogsMany(t *testing.T) {
	const n = 300
	e := &manyEngine{n: n, end: make(chan struct{})}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: e, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			e.conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			e.conns.Add(-1)
		}
	}}
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(l) })
	defer wg.Wait()
	defer s.Close()

	w := newLogWorld(t, nil)
	led, err := agent.OpenLedger(w.state, w.options.Log)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Root: "/nowhere", Host: "unix://" + socket}, w.options.Log)
	if err != nil {
		t.Fatal(err)
	}
	before, heap := runtime.NumGoroutine(), heapInUse()
	w.run(led, c)
	within(t, "all are followed", func() bool { return e.follows.Load() == n })
	within(t, "all lines", func() bool { w.a.mu.Lock(); defer w.a.mu.Unlock(); return len(w.a.got) >= n })
	within(t, "no connection is left of what was read before", func() bool { return e.conns.Load() <= n+10 })
	goroutines, used, calls, cpu := runtime.NumGoroutine()-before, heapInUse()-heap, e.calls.Load(), cpuTime()
	time.Sleep(500 * time.Millisecond)
	idle := e.calls.Load() - calls
	t.Logf("%d containers: %d connections, %d goroutines and %d KiB with the engine's; in 0.5 s idle %d calls, %v of CPU", n, e.conns.Load(), goroutines, used>>10, idle, cpuTime()-cpu)
	if conns := e.conns.Load(); conns > n+10 || goroutines > 8*n || idle > 5 {
		t.Errorf("%d connections, %d goroutines, %d calls while nothing comes", conns, goroutines, idle)
	}
	if got := len(w.a.take()); got != n {
		t.Errorf("%d lines", got)
	}
	close(e.end)
	w.end()
	led.Close()
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
