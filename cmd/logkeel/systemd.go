package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/webgrip/logkeel/agent"
)

// A serviceManager is told how the agent stands, by systemd's sd_notify protocol:
// a datagram to $NOTIFY_SOCKET. One without a socket tells nobody.
type serviceManager struct {
	socket   string
	watchdog time.Duration // how long it waits for a sign of life; 0: it does not
	log      *slog.Logger
}

// newServiceManager reads the environment of a service (Type=notify, WatchdogSec=).
func newServiceManager(getenv func(string) string, pid int, log *slog.Logger) *serviceManager {
	m := &serviceManager{socket: getenv("NOTIFY_SOCKET"), log: log}
	if of := getenv("WATCHDOG_PID"); of != "" && of != strconv.Itoa(pid) {
		return m
	}
	if µs, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && µs > 0 && µs < int64(24*time.Hour/time.Microsecond) {
		m.watchdog = time.Duration(µs) * time.Microsecond
	}
	return m
}

// say sends assignments, as READY=1. That nobody hears them ends no agent.
func (m *serviceManager) say(assignments ...string) {
	if m.socket == "" {
		return
	}
	if err := m.send(strings.Join(assignments, "\n")); err != nil {
		m.log.Warn("the service manager cannot be told", "socket", m.socket, "error", err)
	}
}

func (m *serviceManager) send(text string) error {
	// A name that begins with @ is in the abstract namespace, for net as well.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(text))
	return err
}

func (m *serviceManager) ready(status string) { m.say("READY=1", "STATUS="+status) }

func (m *serviceManager) stopping() { m.say("STOPPING=1", "STATUS=waits until what was read is safe") }

// reloading has to be followed by ready.
func (m *serviceManager) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return
	}
	m.say("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
}

// watch gives signs of life until ctx is done, for as long as the loop runs that
// judges alerts: an agent in which that hangs is better started anew. An
// aggregator that is away, or a disk that is full, is no reason.
func (m *serviceManager) watch(ctx context.Context, meter func(func(agent.Sample))) {
	if m.socket == "" || m.watchdog == 0 {
		return
	}
	tick := time.NewTicker(m.watchdog / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		hangs := false
		meter(func(s agent.Sample) {
			hangs = hangs || s.Name == "logkeel_alerts_tick_seconds" && s.Value > (m.watchdog/2).Seconds()
		})
		if !hangs {
			m.say("WATCHDOG=1")
		}
	}
}
