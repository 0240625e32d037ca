package fluentd

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

func TestBrokenConnections(t *testing.T) {
	tests := []struct {
		name    string
		script  func(n int, p *peer) error
		exactly bool
		said    []string
	}{
		{"refused", func(n int, p *peer) error {
			if n <= 20 {
				return errRefuse
			}
			return acks(n, p)
		}, true, []string{"connection refused", again}},
		{"closed in mid-chunk", func(n int, p *peer) error {
			if p != nil && n <= 20 {
				_, err := p.Read(make([]byte, 500))
				return err
			}
			return acks(n, p)
		}, true, []string{"io: read/write on closed pipe", again}},
		{"closed before the ack", func(n int, p *peer) error {
			for range 7 {
				if p != nil && n <= 20 {
					if _, err := p.read(); err != nil {
						return err
					}
				}
			}
			if n <= 20 {
				return nil
			}
			return acks(n, p)
		}, false, []string{"", again}},
		{"closed after some acks", func(n int, p *peer) error {
			for range 7 {
				if p != nil && n <= 20 {
					m, err := p.read()
					if err != nil {
						return err
					}
					p.ack(m.chunk)
				}
			}
			if n <= 20 {
				return nil
			}
			return acks(n, p)
		}, false, []string{"", again}},
		{"garbage", func(n int, p *peer) error {
			if p != nil && n <= 20 {
				go p.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				_, err := p.Read(make([]byte, 500))
				time.Sleep(time.Millisecond)
				return err
			}
			return acks(n, p)
		}, true, []string{"something that is no acknowledgement; is it a Forward server?", again}},
		{"wants a handshake", func(n int, p *peer) error {
			if p != nil && n <= 20 {
				go p.Write(helo("nonce", "", false))
				_, err := p.Read(make([]byte, 500))
				time.Sleep(time.Millisecond)
				return err
			}
			return acks(n, p)
		}, true, []string{"the receiver wants a handshake; set shared_key", again}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, config(nil), tt.script, func(r *rig) {
				for range 20 {
					r.write(15, 20)
					time.Sleep(200 * time.Millisecond)
				}
				r.settle()
				r.arrived(tt.exactly)
				time.Sleep(2 * time.Second)
				for _, text := range tt.said {
					if n := r.state.log.count(text); text != "" && n != 1 {
						t.Errorf("said %d times: %s\n%s", n, text, r.state.log)
					}
				}
				if n := r.state.log.count("level=WARN"); n > 4 { // EOF, closed pipe
					t.Errorf("%d warnings:\n%s", n, r.state.log)
				}
				r.bounded(bound)
			})
		})
	}
}

// chaos is a receiver that does anything.
func chaos(rng *rand.Rand, calm func() bool) func(int, *peer) error {
	var mu sync.Mutex
	dice := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	return func(n int, p *peer) error {
		if calm() {
			return acks(n, p)
		}
		if p == nil {
			if dice(4) == 0 {
				return errRefuse
			}
			return nil
		}
		var owed []string
		for i := dice(60); i >= 0; i-- {
			time.Sleep(time.Duration(dice(300)) * time.Millisecond)
			if dice(40) == 0 {
				_, err := p.Read(make([]byte, 1+dice(500)))
				return err
			}
			m, err := p.read()
			if err != nil {
				return err
			}
			owed = append(owed, m.chunk)
			if dice(3) > 0 {
				rng := rand.New(rand.NewPCG(uint64(i), 1))
				rng.Shuffle(len(owed), func(i, j int) { owed[i], owed[j] = owed[j], owed[i] })
				for len(owed) > dice(5) {
					if err := p.ack(owed[0]); err != nil {
						return err
					}
					owed = owed[1:]
				}
			}
		}
		switch dice(3) {
		case 0:
			go io.Copy(io.Discard, p)
			p.Write([]byte("garbage"))
		case 1:
			time.Sleep(10 * time.Second)
		}
		return nil
	}
}

// TestChaos has a reader for each source and a receiver that does anything.
func TestChaos(t *testing.T) {
	calm := time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC) // a bubble's time begins at midnight
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 5))
			script := chaos(rng, func() bool { return time.Now().After(calm) })
			c := config(func(c *Config) { c.Buffer = conf.Size(64 << 10) })
			inBubble(t, c, script, func(r *rig) {
				var wg sync.WaitGroup
				for k := range r.sources {
					wg.Go(func() { r.feed(k, rand.New(rand.NewPCG(seed, uint64(k)))) })
				}
				wg.Wait()
				r.settle()
				r.arrived(false)
				r.bounded(64<<10 + 4<<20 + 64<<10 + maxSpare*1<<20)
			})
		})
	}
}

// feed writes batches of any size at any time, for five minutes, under labels
// that change.
func (r *rig) feed(k int, rng *rand.Rand) {
	as := [2]*agent.Source{r.sources[k], container(string(rune('a' + k)))}
	for range 200 {
		n := 1 + rng.IntN(20)
		b := newBatch(as[rng.IntN(2)], r.next[k], r.next[k]+n, rng.IntN(1000), nil)
		if err := r.o.Write(context.Background(), b, 0); err != nil {
			r.t.Error(err)
		}
		poison(b)
		r.next[k] += n
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
	}
}
