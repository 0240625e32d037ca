package jobs

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// MaxOutput bounds what is kept of a run's output: its end.
	MaxOutput = 64 << 10

	maxBody   = 16 << 20 // that is read, of which the end is kept
	maxConns  = 128
	askWithin = 10 * time.Second // for one request
	endWithin = 2 * time.Second  // for those that are under way when the agent stops
)

// A listener hears of jobs, by HTTP.
type listener struct{ *Sampler }

var (
	_ agent.Collector = (*listener)(nil)
	_ agent.Meter     = (*listener)(nil)
)

// Name is that of the section.
func (l *listener) Name() string { return l.c.Name }

// Run listens until ctx is done.
func (l *listener) Run(ctx context.Context, _ agent.Sink) error {
	ln, err := l.listen(ctx)
	if err != nil {
		err = fmt.Errorf("collectors.jobs: listen: %w", err)
		l.listening("", agent.Note(err))
		return err
	}
	l.listening(ln.Addr().String(), "")
	defer l.listening("", "it has stopped")
	l.log.Info("jobs can tell of themselves", "address", ln.Addr().String())
	if l.c.Open() {
		l.log.Warn("anybody who reaches this address can tell that jobs have run; set token, or listen on 127.0.0.1", "address", ln.Addr().String())
	}
	srv := &http.Server{
		Handler: l.Sampler, ReadHeaderTimeout: askWithin, ReadTimeout: askWithin, WriteTimeout: askWithin, IdleTimeout: askWithin, MaxHeaderBytes: 8 << 10,
		ErrorLog: stdlog.New(io.Discard, "", 0), // of what clients send
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(&crowd{Listener: ln, room: make(chan struct{}, maxConns)}) }()
	select {
	case err = <-failed:
		return fmt.Errorf("collectors.jobs: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if srv.Shutdown(ending) != nil {
		srv.Close()
	}
	<-failed
	return nil
}

func (l *listener) listen(ctx context.Context) (net.Listener, error) {
	network, address := "tcp", l.c.Listen
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		network, address = "unix", path
		if err := removeStale(path); err != nil {
			return nil, err
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("%w; free the address or choose another", err)
	}
	if network == "unix" {
		mode, err := l.c.mode()
		if err == nil {
			err = os.Chmod(address, mode)
		}
		if err != nil {
			ln.Close()
			return nil, err
		}
	}
	return ln, nil
}

// removeStale removes the socket of an agent that was killed. One that somebody
// listens on stays, and so does what is no socket.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and no socket; remove it or choose another path", path)
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		nc.Close()
		return fmt.Errorf("%s: somebody else listens there", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s is there: %w", path, err)
	}
	return os.Remove(path)
}

// A crowd lets so many connections in at a time; the others wait.
type crowd struct {
	net.Listener
	room chan struct{}
}

// Accept waits for room, and then for a connection. A closed listener has no
// connections that wait: those that are in end within askWithin.
func (c *crowd) Accept() (net.Conn, error) {
	c.room <- struct{}{}
	nc, err := c.Listener.Accept()
	if err != nil {
		<-c.room
		return nil, err
	}
	return &member{Conn: nc, crowd: c}, nil
}

type member struct {
	net.Conn
	crowd *crowd
	once  sync.Once
}

// Close makes room for another one.
func (m *member) Close() error {
	err := m.Conn.Close()
	m.once.Do(func() { <-m.crowd.room })
	return err
}

// A ping is what one request tells.
type ping struct {
	name    string
	start   bool
	end     end
	started time.Time
}

// errPing is a request that tells nothing.
type errPing struct {
	status int
	msg    string
}

func (e *errPing) Error() string { return e.msg }

func refuse(status int, format string, args ...any) error {
	return &errPing{status, fmt.Sprintf(format, args...)}
}

const usage = "ask for /ping/NAME/start, /ping/NAME, /ping/NAME/fail or /ping/NAME/EXITCODE"

// ServeHTTP takes what jobs tell.
func (s *Sampler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	err := s.take(w, r)
	var p *errPing
	switch {
	case err == nil:
		fmt.Fprintln(w, "OK")
	case errors.As(err, &p):
		w.WriteHeader(p.status)
		fmt.Fprintln(w, p.msg)
	case errors.As(err, new(errUnknown)):
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, err)
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
	}
}

func (s *Sampler) take(w http.ResponseWriter, r *http.Request) error {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost && r.Method != http.MethodHead:
		return refuse(http.StatusMethodNotAllowed, "use GET or POST")
	case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
		return refuse(http.StatusForbidden, "this is for jobs, not for pages in a browser")
	case !s.knows(r.Header.Get("Authorization")):
		w.Header().Set("WWW-Authenticate", "Bearer")
		return refuse(http.StatusUnauthorized, "send the token: Authorization: Bearer TOKEN")
	}
	now := time.Now()
	p, err := parsePing(r.URL.Path, r.URL.Query().Get, now)
	if err != nil {
		return err
	}
	if p.end.Output, err = readEnd(http.MaxBytesReader(w, r.Body, maxBody)); err != nil && !errors.As(err, new(*http.MaxBytesError)) {
		return refuse(http.StatusBadRequest, "the body broke off; nothing is noted")
	}
	return s.book.of(p.name, func(j *job, now time.Time) {
		if p.start {
			at := now
			if !p.started.IsZero() {
				at = p.started
			}
			j.began(now, run{ID: p.end.ID, Started: at, Boot: s.book.boot})
			return
		}
		p.end.Started = p.started
		if j.ended(now, p.end) {
			j.out.add(now.UnixNano(), agent.None, p.end.Output)
		}
	})
}

func (s *Sampler) knows(authorization string) bool {
	if s.c.Token.IsZero() {
		return true
	}
	return subtle.ConstantTimeCompare([]byte(authorization), []byte("Bearer "+s.c.Token.Value())) == 1
}

// parsePing reads what a path and a query tell.
func parsePing(path string, query func(string) string, now time.Time) (p ping, err error) {
	rest, ok := strings.CutPrefix(path, "/ping/")
	if !ok {
		return p, refuse(http.StatusNotFound, usage)
	}
	name, what, _ := strings.Cut(rest, "/")
	if !nameForm.MatchString(name) {
		return p, refuse(http.StatusNotFound, "a job's name is of letters, digits, - . and _, 64 at most; "+usage)
	}
	p = ping{name: name, end: end{ID: query("rid"), Took: -1}}
	switch what {
	case "":
	case "start":
		p.start = true
	case "fail":
		p.end.Exit, p.end.Why = 1, "it told that it has failed"
	default:
		if len(what) > 3 || strings.Trim(what, "0123456789") != "" {
			return p, refuse(http.StatusNotFound, usage)
		}
		if p.end.Exit, err = strconv.Atoi(what); err != nil || p.end.Exit > 255 {
			return p, refuse(http.StatusBadRequest, "an exit code is 0 to 255")
		}
	}
	if p.end.ID != "" && !nameForm.MatchString(p.end.ID) {
		return p, refuse(http.StatusBadRequest, "rid is of letters, digits, - . and _, 64 at most")
	}
	if at := query("started"); at != "" {
		seconds, err := strconv.ParseFloat(at, 64)
		if ago := float64(now.UnixMilli())/1000 - seconds; err != nil || !(ago > -60 && ago < time.Duration(maxGrace).Seconds()) {
			return p, refuse(http.StatusBadRequest, "started is in seconds since 1970, and not longer ago than a month")
		}
		p.started = time.UnixMilli(int64(seconds * 1000))
	}
	return p, nil
}

// readEnd reads all, and returns the end.
func readEnd(r io.Reader) ([]byte, error) {
	var t tail
	_, err := io.Copy(&t, r)
	return t.end(), err
}
