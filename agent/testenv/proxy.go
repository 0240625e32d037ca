package testenv

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A SocketProxy passes on to an engine what only reads, as
// tecnativa/docker-socket-proxy does with CONTAINERS, EVENTS, IMAGES, INFO, PING
// and VERSION, and refuses all else with 403: also HEAD, which others pass.
type SocketProxy struct {
	Addr string // host:port

	mu              sync.Mutex
	passed, refused map[string]bool // "GET /containers/{}/json"
}

var (
	apiVersion = regexp.MustCompile(`^/v[\d.]+`)
	passes     = regexp.MustCompile(`^/(containers|events|images|info|_ping|version)(/|$)`)
	names      = regexp.MustCompile(`^(/containers/|/images/)(.+)(/\w+)$`) // what is different in each path
)

// ProxyOf starts a proxy in front of the engine's socket. An answer that takes
// longer than most is broken off, as proxies do.
func ProxyOf(t testing.TB, e *Engine, most time.Duration) *SocketProxy {
	t.Helper()
	p := &SocketProxy{Addr: Addr(t), passed: map[string]bool{}, refused: map[string]bool{}}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	forward.FlushInterval = -1                    // logs and events go on for ever
	forward.ErrorLog = log.New(io.Discard, "", 0) // of clients that hang up
	forward.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(e.Host, "unix://"))
	}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path[len(apiVersion.FindString(r.URL.Path)):]
		ok := r.Method == http.MethodGet && passes.MatchString(path)
		p.note(r.Method, path, ok)
		if !ok {
			http.Error(w, "Forbidden", http.StatusForbidden)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), most)
		defer cancel()
		forward.ServeHTTP(w, r.WithContext(ctx))
	})}
	l, err := net.Listen("tcp", p.Addr)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return p
}

func (p *SocketProxy) note(method, path string, ok bool) {
	path = names.ReplaceAllString(path, "$1{}$3")
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok {
		p.passed[method+" "+path] = true
	} else {
		p.refused[method+" "+path] = true
	}
}

// Asked is what the proxy was asked for and passed on, and what it refused, in
// order, names left out: "GET /containers/{}/json".
func (p *SocketProxy) Asked() (passed, refused []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := range p.passed {
		passed = append(passed, a)
	}
	for a := range p.refused {
		refused = append(refused, a)
	}
	slices.Sort(passed)
	slices.Sort(refused)
	return passed, refused
}
