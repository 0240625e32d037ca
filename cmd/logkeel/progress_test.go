package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A text is written by one, and read by another.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// What takes two seconds and less is not spoken of; the line of what takes longer is
// rewritten, makes way for what the command writes, and is gone in the end.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen text
		out := &console{Writer: &seen}
		p := &progress{
			w: &seen, width: func() int { return 20 }, out: []*console{out},
			text: func(took time.Duration) string {
				return "waiting\x1b[2J " + took.Truncate(time.Second).String() + " and more"
			},
		}
		p.start()
		time.Sleep(1900 * time.Millisecond)
		if seen.String() != "" {
			t.Errorf("before two seconds: %q", seen.String())
		}
		time.Sleep(200 * time.Millisecond)
		if got := seen.String(); !strings.HasPrefix(got, "\r") || strings.Contains(got, "\n") || strings.Contains(got, "\x1b[2J") {
			t.Errorf("%q", got)
		}
		if got := screenOf(seen.String()); !strings.HasPrefix(got, "waiting") || len([]rune(got)) != 19 {
			t.Errorf("the terminal shows %q", got)
		}
		_, _ = out.Write([]byte("a result\nhalf a "))
		if got := screenOf(seen.String()); got != "a result\nhalf a " {
			t.Errorf("after a line and a half: %q", got)
		}
		time.Sleep(5 * time.Second) // it does not go over a line that is begun
		_, _ = out.Write([]byte("line\n"))
		time.Sleep(time.Second)
		if got := screenOf(seen.String()); !strings.HasPrefix(got, "a result\nhalf a line\nwaiting") {
			t.Errorf("in the end: %q", got)
		}
		p.end()
		if got := screenOf(seen.String()); got != "a result\nhalf a line\n" {
			t.Errorf("it has left %q", got)
		}
		before := seen.String()
		time.Sleep(time.Minute)
		if seen.String() != before {
			t.Error("it goes on when it has ended")
		}
	})
}

// silentServer takes connections and says nothing until the test ends.
func silentServer(t *testing.T) string {
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
			context.AfterFunc(t.Context(), func() { c.Close() })
		}
	}()
	return l.Addr().String()
}

// On a terminal who waits is told for what, elsewhere not, and Ctrl-C ends it at once.
func TestProgressAndInterrupts(t *testing.T) {
	where := silentServer(t)
	dir := writeFiles(t, "agent.yaml", "collectors:\n  redis: [{name: cache, address: '"+where+"', interval: 1m, timeout: 1m}]\n"+
		"outputs:\n  prometheus: {listen: '"+where+"'}\n  webhook: [{name: hook, url: 'http://"+where+"/'}]\n")
	config := dir + "/agent.yaml"
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"doctor":    {[]string{"doctor", "redis", "--timeout", "5m", "-c", config}, "waiting for redis/cache ("},
		"probe":     {[]string{"probe", "http://" + where + "/"}, "waiting for an answer of http://" + where + "/ ("},
		"send-test": {[]string{"check", "--send-test", "-c", config}, "waiting for http://" + where},
		"status":    {[]string{"status", "-c", config}, "asking the agent at " + where},
		"scan":      {[]string{"scan", "--rules", "pack:operations", "/dev/stdin"}, "/s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newTerminal(t)
			cmd := p.command(c.args...)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			p.waitFor(c.says)
			began := time.Now()
			_ = cmd.Process.Signal(syscall.SIGINT)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 130 || time.Since(began) > waitShort {
				t.Errorf("exit code %d after %s", code, time.Since(began))
			}
			if last := screenOf(p.close()); strings.Contains(last, c.says) || strings.Contains(last, "context canceled") {
				t.Errorf("it leaves %q", last)
			}
		})
	}
}

// Into a pipe there is no progress, whatever takes how long.
func TestNoProgressInPipe(t *testing.T) {
	t.Parallel()
	where := silentServer(t)
	cmd := exec.Command(os.Args[0], "probe", "--max-time", "3", "http://"+where+"/")
	cmd.Env = append(os.Environ(), "LOGKEEL_TEST_MAIN=1")
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Run(); err == nil || strings.Contains(errs.String(), "waiting for an answer") || strings.Contains(errs.String(), "\r") {
		t.Errorf("%v, standard error has %q", err, errs.String())
	}
}
