package forward

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	wire "github.com/webgrip/logkeel/agent/forward"
)

// TestReloads: a client that sends again what was not acknowledged loses nothing
// and repeats nothing in the wrong order while the collector is stopped and
// started in one process, at the same address.
func TestReloads(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := newSink()
			r := start(t, config(t, func(c *Config) {
				if network == "unix" {
					c.Listen = "unix://" + filepath.Join(dir, "f.sock")
				}
			}), dir, s)
			address := r.Addr()
			c := config(t, func(c *Config) {
				if c.Listen = address; network == "unix" {
					c.Listen = "unix://" + address
				}
			})
			const n = 400
			acked := make(chan int, n)
			go func() {
				defer close(acked)
				at := 0
				for end := time.Now().Add(patience); at < n && time.Now().Before(end); {
					nc, err := net.Dial(network, address)
					if err != nil {
						time.Sleep(time.Millisecond)
						continue
					}
					nc.SetDeadline(end)
					acks := wire.NewReader(nc)
					for ; at < n; at++ {
						id := fmt.Sprint("chunk-", at)
						nc.Write(message("t", 1e9, record("log", fmt.Sprint(at)), id))
						if got, err := wire.ReadAck(acks); err != nil || got != id {
							break
						}
						acked <- at
					}
					nc.Close()
				}
			}()
			for at := range acked {
				if at%50 == 25 {
					r.stop()
					r = start(t, c, dir, s)
				}
			}
			eventually(t, func() bool {
				all := s.all()
				return len(all) > 0 && all[len(all)-1].body == fmt.Sprint(n-1)
			})
			next := 0
			for _, g := range s.all() {
				switch g.body {
				case fmt.Sprint(next):
					next++
				case fmt.Sprint(next - 1): // its acknowledgement was lost
				default:
					t.Fatalf("%s comes behind %d", g.body, next-1)
				}
			}
			if log := r.log.String(); next != n || strings.Contains(log, "ERROR") {
				t.Errorf("%d of %d; %s", next, n, log)
			}
		})
	}
}
