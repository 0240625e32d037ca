package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

func TestRightsAndPasswords(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(fmt.Sprintf("CREATE USER poor PASSWORD '%s'; CREATE USER other PASSWORD 'other'; CREATE USER tls PASSWORD '%[1]s'; GRANT pg_monitor TO tls;", password))
	srv.SQLIn("shop", "SELECT count(*) FROM orders")

	got, err := take(t, newSampler(t, as(srv.Addr, "poor")))
	testenv.WantError(t, err, "GRANT pg_monitor TO poor")
	if got["pg_up"] != 1 || len(got) < 500 {
		t.Errorf("up %v, %d series", got["pg_up"], len(got))
	}
	got, err = take(t, newSampler(t, as(srv.Addr, "other")))
	wantDown(t, got, err, "28P01", "compare user and password")
	got, err = take(t, newSampler(t, as(srv.Addr, "nobody")))
	wantDown(t, got, err, "compare user and password")
	c := as(srv.Addr, "logkeel")
	c.Database = "none"
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "3D000", "set database")

	c = as("", "logkeel")
	c.Socket = srv.Socket
	if got, err = take(t, newSampler(t, c)); err != nil || got["pg_up"] != 1 {
		t.Errorf("by the socket: up %v, %v", got["pg_up"], err)
	}
	if got, want := socketFile(filepath.Dir(srv.Socket)), filepath.Dir(srv.Socket)+"/.s.PGSQL.5432"; got != want {
		t.Errorf("the socket in the folder is %s, want %s", got, want)
	}
	c = as(srv.Addr, "tls")
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "28000", "set tls")
	c.TLS = &tlsconf.Config{CAFile: srv.CAFile}
	if got, err = take(t, newSampler(t, c)); err != nil || got["pg_up"] != 1 {
		t.Errorf("with TLS: up %v, %v", got["pg_up"], err)
	}
	c.TLS = &tlsconf.Config{}
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "certificate")
	c.TLS = &tlsconf.Config{CAFile: srv.CAFile, ServerName: "db.example.com"}
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "db.example.com")
}

func TestServerWithoutTLS(t *testing.T) {
	t.Parallel()
	srv := testenv.Postgres(t, "ssl=off")
	srv.SQL(rights)
	c := as(srv.Addr, "logkeel")
	c.TLS = &tlsconf.Config{CAFile: srv.CAFile}
	got, err := take(t, newSampler(t, c))
	wantDown(t, got, err, "remove tls, or set ssl = on there")

	// Nor has it pg_stat_statements: the rest is told.
	c.TLS = nil
	s := newSampler(t, c)
	got, err = take(t, s)
	testenv.WantError(t, err, "shared_preload_libraries = 'pg_stat_statements'", "restart", "statements.limit to 0")
	if got["pg_up"] != 1 || len(got) < 400 {
		t.Errorf("up %v, %d series", got["pg_up"], len(got))
	}
}

// The library is loaded, and the extension is missing: it is used as soon as it is
// there, wherever it is.
func TestExtensionMissing(t *testing.T) {
	t.Parallel()
	srv := testenv.Postgres(t, "shared_preload_libraries=pg_stat_statements")
	srv.SQL(rights + `CREATE SCHEMA "odd ""schema"`)
	c := as(srv.Addr, "logkeel")
	s := newSampler(t, c)
	_, err := take(t, s)
	testenv.WantError(t, err, "the database postgres", "CREATE EXTENSION pg_stat_statements")
	srv.SQL(`CREATE EXTENSION pg_stat_statements SCHEMA "odd ""schema"`)
	_, err = take(t, s)
	testenv.WantError(t, err, `GRANT USAGE ON SCHEMA "odd ""schema" TO logkeel`)
	srv.SQL(`GRANT USAGE ON SCHEMA "odd ""schema" TO logkeel`)
	if got, err := take(t, s); err != nil || len(statementsOf(got)) == 0 {
		t.Errorf("%d statements, %v", len(statementsOf(got)), err)
	}
	srv.SQL(`DROP EXTENSION pg_stat_statements`)
	c.Statements.Limit = 0
	if got, err := take(t, newSampler(t, c)); err != nil || got["pg_up"] != 1 {
		t.Errorf("without statements: %v", err)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := newSampler(t, as(srv.Addr, "logkeel"))
	up := func(when string) {
		t.Helper()
		if got, err := take(t, s); err != nil || got["pg_up"] != 1 {
			t.Errorf("%s: up %v, %v", when, got["pg_up"], err)
		}
	}
	count := func() string {
		return srv.SQL("SELECT count(*) FROM pg_stat_activity WHERE usename = 'logkeel' AND application_name = 'logkeel'")
	}
	for range 3 {
		up("at first")
	}
	if n := count(); n != "1" {
		t.Errorf("%s connections, want one", n)
	}
	srv.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'logkeel'")
	up("after its connection was ended")
	srv.Stop()
	srv.Start()
	up("restarted unseen")
	srv.Stop()
	got, err := take(t, s)
	wantDown(t, got, err, srv.Addr, "refused")
	srv.Start()
	up("restarted")

	// All places are taken: the sampler still has its own.
	var taken []*link
	o, err := options(as(srv.Addr, "logkeel"))
	if err != nil {
		t.Fatal(err)
	}
	for {
		l, err := connect(t.Context(), o, "")
		if err != nil {
			testenv.WantError(t, err, "53300")
			break
		}
		defer l.cut()
		taken = append(taken, l)
	}
	got, err = take(t, s)
	if v := got["logkeel_postgres_connections_used_ratio"]; err != nil || v < 0.99 || len(taken) != 26 {
		t.Errorf("%v of the connections, %d taken, %v", v, len(taken), err)
	}
	got, err = take(t, newSampler(t, as(srv.Addr, "logkeel")))
	wantDown(t, got, err, "max_connections")
	for _, l := range taken {
		l.cut()
	}
	await(t, func() bool { return count() == "1" })
	s.Close()
	await(t, func() bool { return count() == "0" })
}

// A server that ends in the middle of an answer costs that snapshot only.
func TestRestartInMidQuery(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := newSampler(t, as(srv.Addr, "logkeel"))
	if _, err := take(t, s); err != nil {
		t.Fatal(err)
	}
	// The agent waits for this lock.
	session(t, srv, "postgres", "BEGIN; LOCK TABLE pg_stat_bgwriter IN ACCESS EXCLUSIVE MODE;")
	await(t, func() bool {
		return srv.SQL("SELECT count(*) FROM pg_locks WHERE relation = 'pg_stat_bgwriter'::regclass AND mode = 'AccessExclusiveLock' AND granted") == "1"
	})
	ended := make(chan struct{})
	var got map[string]float64
	var err error
	go func() {
		defer close(ended)
		got, err = take(t, s)
	}()
	await(t, func() bool {
		select {
		case <-ended:
			return true
		default:
			return srv.SQL("SELECT count(*) FROM pg_locks WHERE relation = 'pg_stat_bgwriter'::regclass AND NOT granted") == "1"
		}
	})
	srv.Stop()
	<-ended
	if err == nil || got["pg_up"] != 1 {
		t.Errorf("up %v, %v", got["pg_up"], err)
	}
	srv.Start()
	if got, err := take(t, s); err != nil || got["pg_up"] != 1 {
		t.Errorf("restarted: up %v, %v", got["pg_up"], err)
	}
}

// What another one has locked is waited for by a second at most.
func TestLockedCatalog(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := newSampler(t, as(srv.Addr, "logkeel"))
	if _, err := take(t, s); err != nil {
		t.Fatal(err)
	}
	end := session(t, srv, "postgres", "BEGIN; LOCK TABLE pg_stat_bgwriter IN ACCESS EXCLUSIVE MODE;")
	await(t, func() bool {
		return srv.SQL("SELECT count(*) FROM pg_locks WHERE relation = 'pg_stat_bgwriter'::regclass AND mode = 'AccessExclusiveLock' AND granted") == "1"
	})
	got, err := take(t, s)
	testenv.WantError(t, err, "55P03", "lock")
	if got["pg_up"] != 1 || got["pg_settings_max_connections"] != 30 {
		t.Errorf("up %v, %d series", got["pg_up"], len(got))
	}
	end()
	if _, err := take(t, s); err != nil {
		t.Error(err)
	}
}

func TestNoServer(t *testing.T) {
	got, err := take(t, newSampler(t, as(testenv.Addr(t), "logkeel")))
	wantDown(t, got, err, "connection refused")
	c := as("", "logkeel")
	c.Socket = t.TempDir() + "/none.sock"
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "no such file")
	if strings.HasPrefix(err.Error(), c.Socket+": 127.0.0.1") {
		t.Errorf("an address stands in for the socket: %v", err)
	}
}

func TestSilentServer(t *testing.T) {
	before := runtime.NumGoroutine()
	addr := testenv.Serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	s := newSampler(t, as(addr, "logkeel"))
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("no answer within 50ms"))
	defer cancel()
	var got []agent.Sample
	err := s.Sample(ctx, func(s agent.Sample) { got = append(got, s) })
	testenv.WantError(t, err, "no answer within 50ms")
	if len(got) != 1 || got[0].Name != "pg_up" || got[0].Value != 0 {
		t.Errorf("got %v", got)
	}
	s.Close()
	testenv.WantGoroutines(t, before+1) // the listener
}

// message is one of the protocol's.
func message(kind byte, body string) string {
	return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))) + body
}

// welcome lets a client in that asks for no password.
func welcome() string {
	return message('R', "\x00\x00\x00\x00") + message('Z', "I")
}

// A server that lets the agent in, and answers nothing more, leaves nothing behind.
func TestServerThatHangs(t *testing.T) {
	before := runtime.NumGoroutine()
	addr := testenv.Serve(t, func(c net.Conn) {
		b := make([]byte, 4096)
		_, _ = c.Read(b)
		io.WriteString(c, welcome()+message('C', "SET\x00")+message('Z', "I"))
		io.Copy(io.Discard, c)
	})
	s := newSampler(t, as(addr, "logkeel"))
	for range 3 {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("no answer within 50ms"))
		err := s.Sample(ctx, func(agent.Sample) {})
		cancel()
		testenv.WantError(t, err, "no answer within 50ms")
	}
	s.Close()
	testenv.WantGoroutines(t, before+1)
}

const notPostgres = "what answers there is no PostgreSQL server"

func TestOtherServers(t *testing.T) {
	tooLong := welcome() + message('C', "SET\x00") + message('Z', "I") + message('T', "\x00\x01x\x00"+strings.Repeat("\x00", 18)) + message('D', "\x00\x01\x7f\xff\xff\xff")
	for answer, say := range map[string]string{
		"":                                 "closed the connection",
		"HTTP/1.1 400 Bad Request\r\n\r\n": notPostgres,
		"-ERR unknown command\r\n":         notPostgres, // of Redis
		"J\x00\x00\x00\x0a8.0.36\x00" + strings.Repeat("x", 60):               notPostgres, // of MySQL
		message('E', "C53300\x00Mtoo\x00\x00"):                                "max_connections",
		message('E', "C28P01\x00Mno "+password+"\x1b[31m\x00\x00"):            `no <secret>\x1b[31m`,
		message('E', "C57P03\x00Mthe database system is starting up\x00\x00"): "wait, or look at its log",
		tooLong:             "",
		"R\x7f\xff\xff\xff": "",
	} {
		t.Run(fmt.Sprintf("%.20q", answer), func(t *testing.T) {
			t.Parallel()
			addr := testenv.Serve(t, func(c net.Conn) {
				io.WriteString(c, answer)
				c.SetReadDeadline(time.Now().Add(2 * time.Second))
				io.Copy(io.Discard, c)
			})
			got, err := take(t, newSampler(t, as(addr, "logkeel")))
			wantDown(t, got, err, say)
			if strings.Count(err.Error(), addr) != 1 {
				t.Errorf("the address is not there once: %v", err)
			}
		})
	}
}

// Doctor asks for the port, and not whether the server is started.
func TestDiagnoseOfOtherServer(t *testing.T) {
	addr := testenv.Serve(t, func(c net.Conn) { io.WriteString(c, "-ERR unknown command\r\n"); io.Copy(io.Discard, c) })
	var all []agent.Diagnosis
	agent.DiagnoseSampler(t.Context(), newSampler(t, as(addr, "logkeel")), nil, func(d agent.Diagnosis) { all = append(all, d) })
	if len(all) != 1 || !strings.HasPrefix(all[0].Why, addr+": "+notPostgres) || !strings.HasPrefix(all[0].Do, "compare the address") {
		t.Errorf("%+v", all)
	}
}

// FuzzServer: whatever a server answers, the agent says that it is down or up, and
// does not fall over.
func FuzzServer(f *testing.F) {
	f.Add([]byte(welcome() + message('C', "SET\x00") + message('Z', "I")))
	f.Add([]byte(welcome() + message('T', "\x00\x01x\x00"+strings.Repeat("\x00", 18)) + message('D', "\x00\x01\x00\x00\x00\x011")))
	f.Add([]byte(message('E', "C28P01\x00\x00")))
	f.Fuzz(func(t *testing.T, answer []byte) {
		addr := testenv.Serve(t, func(c net.Conn) { c.Write(answer); c.(*net.TCPConn).CloseWrite(); io.Copy(io.Discard, c) })
		s := newSampler(t, as(addr, "logkeel"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		up := 0
		_ = s.Sample(ctx, func(s agent.Sample) {
			if s.Name == "pg_up" {
				up++
			}
		})
		if up != 1 {
			t.Errorf("pg_up is told %d times", up)
		}
	})
}
