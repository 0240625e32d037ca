package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// notifySocket is a service manager's; next is what it is told next.
func notifySocket(t *testing.T, name string) (next func() string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() string {
		t.Helper()
		b := make([]byte, 4096)
		conn.SetReadDeadline(time.Now().Add(waitShort))
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("nothing more is said: %v", err)
		}
		return string(b[:n])
	}
}

// An agent that is a service says when it is ready, that it reloads, that it lives
// and that it stops.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "notify")
	next := notifySocket(t, socket)
	news := func() string {
		for {
			if s := next(); s != "WATCHDOG=1" {
				return s
			}
		}
	}
	configure := func(packs string) string {
		return fmt.Sprintf("state_dir: state\nreload_on_change: false\nrules: {packs: [%s], self: false}\n", packs)
	}
	a := newAgent(t, configure("redis"))
	a.env = append(a.env, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=300000")
	a.start()
	want := func(got, begin, status string) {
		t.Helper()
		if !strings.HasPrefix(got, begin) || !strings.Contains(got, "\nSTATUS="+status) {
			t.Errorf("said is %q, want %s and a status with %q", got, begin, status)
		}
	}
	want(next(), "READY=1\n", "runs with 13 rules")
	if got := next(); got != "WATCHDOG=1" {
		t.Errorf("said is %q, want a sign of life", got)
	}
	for _, c := range []struct{ packs, status string }{{"nothing", "runs; the newest configuration is wrong"}, {"mariadb", "runs with 14 rules"}} {
		a.write("agent.yaml", configure(c.packs))
		if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if got := news(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
			t.Errorf("said is %q, want that it reloads", got)
		}
		want(news(), "READY=1\n", c.status)
	}
	a.stop()
	want(news(), "STOPPING=1\n", "waits")
}

// Where alerts are not judged any more there is no sign of life.
func TestWatchdogOfWhatHangs(t *testing.T) {
	t.Parallel()
	name := "@" + filepath.Join(t.TempDir(), "notify") // in the abstract namespace
	next := notifySocket(t, name)
	env := map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "60000", "WATCHDOG_PID": "7"}
	getenv := func(name string) string { return env[name] }
	if m := newServiceManager(getenv, 8, slog.New(slog.DiscardHandler)); m.watchdog != 0 {
		t.Error("another process's watchdog is fed")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	asked := 0
	newServiceManager(getenv, 7, slog.New(slog.DiscardHandler)).watch(ctx, func(yield func(agent.Sample)) {
		asked++
		switch s := (agent.Sample{Name: "logkeel_alerts_tick_seconds", Value: 0.029}); asked {
		case 1, 2:
			yield(s)
		case 10:
			stop()
			fallthrough
		default:
			s.Value = 0.031
			yield(s)
		}
	})
	m := newServiceManager(getenv, 7, slog.New(slog.DiscardHandler))
	m.stopping()
	var said []string
	for range 3 {
		said = append(said, strings.Split(next(), "\n")[0])
	}
	if got := strings.Join(said, " "); got != "WATCHDOG=1 WATCHDOG=1 STOPPING=1" {
		t.Errorf("said is %s", got)
	}
}
