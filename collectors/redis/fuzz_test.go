package redis

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// wire is a connection on which a server has said all that it will say.
type wire struct {
	net.Conn
	*bytes.Reader
}

func (w wire) Read(p []byte) (int, error)      { return w.Reader.Read(p) }
func (w wire) Write(p []byte) (int, error)     { return len(p), nil }
func (w wire) Close() error                    { return nil }
func (w wire) SetReadDeadline(time.Time) error { return nil }

// FuzzReplies gives each part whatever bytes as the server's answers: it wants no
// panic, no memory without bound, and series that Prometheus takes.
func FuzzReplies(f *testing.F) {
	for _, text := range []string{
		":1\r\n*1\r\n*6\r\n:7\r\n:1700000000\r\n:15000\r\n*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n$11\r\n127.0.0.1:1\r\n$0\r\n\r\n",
		":1\r\n*1\r\n*3\r\n:9223372036854775807\r\n:-1\r\n*0\r\n*0\r\n",
		"*2\r\n$4\r\nsave\r\n$5\r\n900 1\r\n*0\r\n",
		"*2\r\n$1\r\n0\r\n*2\r\n$8\r\nqueues:a\r\n$8\r\nqueues:b\r\n+list\r\n+zset\r\n+none\r\n+list\r\n+zset\r\n:5\r\n:6\r\n",
		"*2\r\n$1\r\n0\r\n*-1\r\n", "*2\r\n*1\r\n$-1\r\n:0\r\n", "*-1\r\n", "*65536\r\n*65536\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n", "$8388608\r\nx", "-NOPERM x key access\r\n-MOVED 1 2\r\n", "+\r\n+\r\n",
	} {
		f.Add([]byte(text))
	}
	config := expecting(withQueues(Config{}, "q", "q:delayed", "queues:*"), "save", "900 1", "hz", "10")
	config.Settings, config.Slowlog = true, Slowlog{Entries: true, Arguments: true}
	config.Expect["dir"] = conf.Strings{"/data"}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		s.slow.begun = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		seen := map[string]bool{}
		out := newPage(func(s agent.Sample) {
			key := s.Name
			for _, l := range s.Labels {
				key += "\x00" + l.Value
				if len(l.Value) > 200 {
					t.Errorf("%s: a label of %d bytes", s.Name, len(l.Value))
				}
			}
			if seen[key] || !metricName.MatchString(s.Name) || s.Help == "" || s.Value-s.Value != 0 {
				t.Errorf("%+v", s)
			}
			seen[key] = true
		})
		for _, part := range []func() error{
			func() error { return s.slow.measure(ctx, &s.d, s.c, "", out) },
			func() error { return s.settings(ctx, nil, out) },
			func() error { return s.queues.measure(ctx, &s.d, s.c, out) },
		} {
			reply := &bounded{Conn: wire{Reader: bytes.NewReader(data)}}
			s.c = &client{conn: redis.NewConn(reply, 0, 0), raw: reply, reply: reply}
			if err := part(); err != nil && len(err.Error()) > 4096 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		}
	})
}
