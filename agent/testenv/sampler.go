package testenv

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Take takes a snapshot within a minute, by series as Prometheus writes them.
// None may come twice, and no error may say one of the secrets.
func Take(t testing.TB, s agent.Sampler, secrets ...string) (map[string]float64, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := map[string]float64{}
	err := s.Sample(ctx, func(s agent.Sample) {
		if _, ok := got[Series(s)]; ok {
			t.Errorf("%s comes twice", Series(s))
		}
		got[Series(s)] = s.Value
	})
	for _, secret := range secrets {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("a secret is printed: %v", err)
		}
	}
	return got, err
}

// Series is a sample without its value, as Prometheus writes it.
func Series(s agent.Sample) string {
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

// WantError wants an error with these words.
func WantError(t testing.TB, err error, words ...string) {
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

// WantDown wants an error with these words, and nothing measured but that up is 0.
func WantDown(t testing.TB, up string, got map[string]float64, err error, words ...string) {
	t.Helper()
	if v, ok := got[up]; !ok || v != 0 || len(got) != 1 {
		t.Errorf("got %v, want %s 0 only", got, up)
	}
	WantError(t, err, words...)
}

// Serve gives each connection to handle, closes it then, and returns the address.
func Serve(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}

// WantGoroutines waits until there are no more than before.
func WantGoroutines(t testing.TB, before int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if runtime.NumGoroutine() <= before {
			return
		}
	}
	buf := make([]byte, 64<<10)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}
