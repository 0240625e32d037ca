package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// fake is a server that answers each command with what answer returns, and ends the
// connection where that is "".
func fake(t *testing.T, answer func(args []string) string) string {
	t.Helper()
	return testenv.Serve(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			args, err := request(r)
			if err != nil {
				return
			}
			text := answer(args)
			if text == "" {
				return
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	})
}

// request reads a command as clients send it.
func request(r *bufio.Reader) ([]string, error) {
	var n int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
		return nil, err
	}
	var args []string
	for range n {
		var size int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		args = append(args, string(text[:size]))
	}
	return args, nil
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

const someInfo = "# Server\r\nredis_version:7.0.15\r\nrun_id:a\r\n# Clients\r\nconnected_clients:3\r\n# Memory\r\nused_memory:lots\r\nused_memory_rss:12\r\nmaxmemory:-\r\n"

// answers are those of a server without a fault, to all that all asks for.
func answers(args []string) string {
	switch strings.Join(args[:min(len(args), 2)], " ") {
	case "PING":
		return "+PONG\r\n"
	case "INFO all":
		return bulk(someInfo)
	case "SLOWLOG LEN":
		return ":1\r\n"
	case "SLOWLOG GET":
		return "*1\r\n*6\r\n:7\r\n:1700000000\r\n:15000\r\n*1\r\n$4\r\nKEYS\r\n$11\r\n127.0.0.1:1\r\n$0\r\n\r\n"
	case "CONFIG GET":
		return "*2\r\n" + bulk(args[2]) + bulk("10")
	case "SCAN 0":
		return "*2\r\n$1\r\n0\r\n*0\r\n"
	case "SELECT 2":
		return "+OK\r\n"
	}
	switch args[0] {
	case "TYPE":
		return "+list\r\n"
	case "LLEN":
		return ":5\r\n"
	}
	return "-ERR what is " + args[0] + "\r\n"
}

func TestInfoFieldThatIsNoNumber(t *testing.T) {
	t.Parallel()
	s := newSampler(t, all(Config{Name: "r", Address: fake(t, answers)}))
	got, err := take(t, s)
	if err != nil {
		t.Error(err)
	}
	_, has := got["redis_memory_used_bytes"]
	if has || got["redis_memory_used_rss_bytes"] != 12 || got["redis_connected_clients"] != 3 || got["logkeel_redis_info_unreadable"] != 2 {
		t.Errorf("%v", got)
	}
	if r := recorded(s, "redis_up"); len(r) != 1 || !strings.Contains(r[0], `unreadable=used_memory:lots maxmemory:-`) {
		t.Errorf("the record does not say which: %v", r)
	}
}

// What ends in the middle of an answer, as a server that is restarted.
func TestConnectionEndsInMidAnswer(t *testing.T) {
	t.Parallel()
	for at, up := range map[string]float64{"PING": 0, "INFO": 0, "SLOWLOG": 1, "CONFIG": 1, "SELECT": 1, "SCAN": 1, "TYPE": 1, "LLEN": 1} {
		var whole atomic.Bool
		addr := fake(t, func(args []string) string {
			if text := answers(args); args[0] != at || whole.Load() {
				return text
			}
			return ""
		})
		c := all(Config{Name: "r", Address: addr})
		c.Expect = nil
		s := newSampler(t, c)
		for range 2 {
			got, err := take(t, s)
			testenv.WantError(t, err, addr+": the server closed the connection; look at its log")
			if got["redis_up"] != up || up == 0 && len(got) != 1 {
				t.Errorf("at %s: up %v of %d series", at, got["redis_up"], len(got))
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("at %s: said more than once: %v", at, err)
			}
		}
		whole.Store(true)
		if got, err := take(t, s); err != nil || got["redis_up"] != 1 {
			t.Errorf("once it does not break: up %v, %v", got["redis_up"], err)
		}
	}
}

// A real server that is restarted while it is asked.
func TestRestartInMidQuery(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	s := newSampler(t, withQueues(Config{Name: "r", Address: srv.Addr}, "queues:*"))
	before, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	srv.CLI("CLIENT", "PAUSE", "60000")
	type result struct {
		got map[string]float64
		err error
	}
	done := make(chan result)
	go func() {
		got := map[string]float64{}
		err := s.Sample(t.Context(), func(s agent.Sample) { got[testenv.Series(s)] = s.Value })
		done <- result{got, err}
	}()
	select {
	case r := <-done:
		t.Fatalf("a server that is paused answers: %v", r)
	case <-time.After(100 * time.Millisecond):
	}
	srv.Stop()
	r := <-done
	wantDown(t, r.got, r.err, srv.Addr)
	srv.Start()
	after, err := take(t, s)
	if err != nil || after["redis_up"] != 1 {
		t.Errorf("up %v, %v", after["redis_up"], err)
	}
	// Its counters begin anew, and are told as they are.
	if a, b := after["redis_connections_received_total"], before["redis_connections_received_total"]; a < 1 || a > b+2 || after["redis_commands_processed_total"] > 5 {
		t.Errorf("connections: %v, before %v; commands: %v", a, b, after["redis_commands_processed_total"])
	}
}

// A server that accepts, and stops to answer at some point.
func TestServerStopsAnswering(t *testing.T) {
	t.Parallel()
	for at, up := range map[string]float64{"PING": 0, "INFO": 0, "SLOWLOG": 1, "SCAN": 1, "LLEN": 1} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			release := make(chan struct{})
			addr := fake(t, func(args []string) string {
				if args[0] == at {
					cancel(errors.New("no answer in time")) // however long it took to get here
					<-release
				}
				return answers(args)
			})
			c := all(Config{Name: "r", Address: addr})
			c.Expect = nil
			got := map[string]float64{}
			err := newSampler(t, c).Sample(ctx, func(s agent.Sample) { got[testenv.Series(s)] = s.Value })
			cancel(nil)
			close(release)
			testenv.WantError(t, err, "no answer in time")
			if got["redis_up"] != up {
				t.Errorf("up %v", got["redis_up"])
			}
		})
	}
}

// A server that cannot save answers PING with that, and is measured all the same.
func TestMisconf(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t, "--dbfilename", "full.rdb")
	_, dir, _ := strings.Cut(srv.CLI("CONFIG", "GET", "dir"), "\n")
	if err := os.Mkdir(filepath.Join(dir, "full.rdb"), 0o700); err != nil {
		t.Fatal(err)
	}
	srv.CLI("CONFIG", "SET", "save", "1000 1")
	defer srv.CLI("CONFIG", "SET", "save", "") // or it does not end
	srv.CLI("SET", "a", "1")
	srv.CLI("BGSAVE")
	await(t, func() bool { return infoOf(srv)["rdb_last_bgsave_status"] == "err" })
	srv.CLI("SET", "b", "1")
	got, err := take(t, newSampler(t, Config{Name: "r", Address: srv.Addr}))
	testenv.WantError(t, err, "MISCONF")
	if got["redis_up"] != 1 || got["redis_rdb_last_bgsave_status"] != 0 || got[`redis_errors_total{err="MISCONF"}`] < 1 && srv.Since(6, 2) {
		t.Errorf("up %v, status %v, %v errors", got["redis_up"], got["redis_rdb_last_bgsave_status"], got[`redis_errors_total{err="MISCONF"}`])
	}
}
