package fluentd

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

const (
	firstRest  = time.Second // after one failure; it doubles with each
	lastRest   = time.Minute
	silentRest = 10 * time.Minute // for a server that takes connections and acknowledges nothing
)

// A server is one aggregator, and what all lanes know of it.
type server struct {
	Server
	network, dial string // what Address says
	tls           *tlsconf.Config
	trouble       *agent.Trouble
	records       atomic.Uint64 // acknowledged

	mu     sync.Mutex
	fails  int       // in a row
	silent bool      // the last time it took the connection, and acknowledged nothing
	rest   time.Time // until when it is left alone, where there are others
}

func newServer(c *Config, s Server, log *slog.Logger) (*server, error) {
	network, address, err := splitAddress(s.Address)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if s.SharedKey.IsZero() {
		s.SharedKey = c.SharedKey
	}
	if s.Username == "" {
		s.Username, s.Password = c.Username, c.Password
	}
	secure := c.TLS
	if secure != nil && s.ServerName != "" {
		named := *secure
		named.ServerName = s.ServerName
		secure = &named
	}
	return &server{Server: s, network: network, dial: address, tls: secure, trouble: agent.NewTrouble(log)}, nil
}

// failed notes a failure. worked says that it had acknowledged something on the
// connection that failed, silent that it had taken it. Lanes that fail together
// count once.
func (s *server) failed(worked, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.fails > 0 && now.Before(s.rest) {
		return
	}
	if worked {
		s.fails = 0
	}
	s.silent = silent && !worked
	longest := lastRest
	if s.silent {
		longest = silentRest
	}
	d := min(firstRest<<min(s.fails, 20), longest)
	s.fails++
	s.rest = now.Add(d - rand.N(d/4))
}

// works notes that all is well with it, and reports whether that is believed: a
// server that was silent has to acknowledge something.
func (s *server) works(acked bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent && !acked {
		return false
	}
	s.fails, s.silent, s.rest = 0, false, time.Time{}
	return true
}

// resting is until when the server is to be left alone; up says that nothing is
// known against it.
func (s *server) resting() (until time.Time, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rest, s.fails == 0
}

// score is how much the key belongs to the server: the greatest wins (weighted
// rendezvous hashing). Each server wins by its weight, and what one server wins
// it keeps while others come and go.
func (s *server) score(key string) float64 {
	h := xxhash.Sum64String(s.Address + "\x00" + key)
	return -float64(s.Weight) / math.Log((float64(h>>12)+0.5)/(1<<52))
}

// A link is a server as a lane has it.
type link struct {
	*server
	patience atomic.Int64 // how long an acknowledgement may take now, in ns
}

// linksFor is all servers in the order in which a lane prefers them: its own,
// then the other active ones as the key has it, then those on standby.
func linksFor(all []*server, own *server, key string, timeout time.Duration) []*link {
	order := slices.Clone(all)
	rank := func(s *server) int {
		switch {
		case s == own:
			return 0
		case !s.Standby:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(order, func(a, b *server) int {
		if c := cmp.Compare(rank(a), rank(b)); c != 0 || a.Standby {
			return c
		}
		return cmp.Compare(b.score(key), a.score(key))
	})
	links := make([]*link, len(order))
	for i, s := range order {
		links[i] = &link{server: s}
		links[i].patience.Store(int64(timeout))
	}
	return links
}

// choose is the index of the server to be used now: the first that is not to be
// left alone. While all are, it is the next after the last one, and free is false.
func (l *lane) choose() (k int, free bool) {
	now := time.Now()
	for i, s := range l.links {
		if until, _ := s.resting(); !now.Before(until) {
			return i, true
		}
	}
	return (l.last + 1) % len(l.links), false
}

// complain says that the server failed, and where its records go.
func (l *lane) complain(s *server, err error) {
	next, free := l.choose()
	switch {
	case len(l.links) == 1:
		s.trouble.Fail(err, "records are not acknowledged; they wait in the spool", "address", s.Address)
	case free:
		s.trouble.Fail(err, "a server cannot be used; its records go to another one", "server", s.Address, "to", l.links[next].Address)
	default:
		s.trouble.Fail(err, "a server cannot be used, and neither can the others; records wait in the spool", "server", s.Address)
	}
}

// commend says that it is over.
func (l *lane) commend(s *server) {
	if len(l.links) == 1 {
		s.trouble.Clear("records are acknowledged again", "address", s.Address)
		return
	}
	s.trouble.Clear("the server takes records again", "server", s.Address)
}
