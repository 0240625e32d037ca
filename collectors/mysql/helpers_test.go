package mysql

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

const password = "s3cret-s3cret"

// series is a sample without its value, as Prometheus writes it.
func series(s agent.Sample) string {
	var b strings.Builder
	b.WriteString(s.Name)
	for i, l := range s.Labels {
		fmt.Fprintf(&b, "%c%s=%q", "{,"[min(i, 1)], l.Name, l.Value)
	}
	if len(s.Labels) > 0 {
		b.WriteByte('}')
	}
	return b.String()
}

// take takes a snapshot within five seconds.
func take(t *testing.T, s *Sampler) (map[string]float64, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	got := map[string]float64{}
	err := s.Sample(ctx, func(s agent.Sample) {
		if _, ok := got[series(s)]; ok {
			t.Errorf("%s comes twice", series(s))
		}
		got[series(s)] = s.Value
	})
	if err != nil && strings.Contains(err.Error(), password) {
		t.Errorf("the password is printed: %v", err)
	}
	return got, err
}

func newSampler(t *testing.T, c Config) *Sampler {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// as is a Config of the user.
func as(address, user string) Config {
	var c Config
	c.SetDefaults()
	c.Name, c.Address, c.User, c.Password = "db", address, user, conf.NewSecret(password)
	return c
}

// wantDown wants nothing but mysql_up 0 and an error with these words.
func wantDown(t *testing.T, got map[string]float64, err error, words ...string) {
	t.Helper()
	if up, ok := got["mysql_up"]; !ok || up != 0 || len(got) != 1 {
		t.Errorf("got %v, want mysql_up 0 only", got)
	}
	wantError(t, err, words...)
}

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// fake serves every connection with handle, and closes it then.
func fake(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return ln.Addr().String()
}

// wantGoroutines waits until there are no more than before.
func wantGoroutines(t *testing.T, before int) {
	t.Helper()
	for range 500 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 64<<10)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}
