package mysql

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A proxy stands before a server, and does something else with a client's
// packet that holds the word.
type proxy struct {
	addr  string
	word  atomic.Pointer[string]
	then  func(client net.Conn)
	seen  atomic.Int32
	after chan struct{} // closed: nothing hangs any longer

	from, to string // what is replaced in packets, of one length
}

func newProxy(t *testing.T, to string, then func(p *proxy, client net.Conn)) *proxy {
	p := &proxy{after: make(chan struct{})}
	p.then = func(c net.Conn) { then(p, c) }
	p.addr = testenv.Serve(t, func(client net.Conn) {
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer server.Close()
		go func() {
			io.Copy(client, server)
			client.Close()
		}()
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			if err != nil {
				return
			}
			if w := p.word.Load(); w != nil && bytes.Contains(buf[:n], []byte(*w)) {
				p.seen.Add(1)
				p.then(client)
				return
			}
			server.Write(bytes.ReplaceAll(buf[:n], []byte(p.from), []byte(p.to)))
		}
	})
	return p
}

func (p *proxy) on(word string) { p.word.Store(&word) }

func TestServerIsLostInAnAudit(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(auditGrants("auditor", "shop"))
	// By lost, cut off and garbled packets, at each of the queries.
	garbage := binary.LittleEndian.AppendUint32(nil, 3)
	garbage[3] = 1
	for name, then := range map[string]func(*proxy, net.Conn){
		"closed":  func(*proxy, net.Conn) {},
		"garbled": func(_ *proxy, c net.Conn) { c.Write(append(garbage, 0xfb, 0, 0)) },
		"short":   func(_ *proxy, c net.Conn) { c.Write(garbage[:2]) },
		"empty":   func(_ *proxy, c net.Conn) { c.Write([]byte{1, 0, 0, 1, 0}) },
	} {
		p := newProxy(t, srv.Addr, then)
		s := newSampler(t, auditing(p.addr, "auditor"))
		if _, err := audited(t, s); err != nil {
			t.Fatal(err)
		}
		words := []string{"CONNECTION_ID()", "information_schema.TABLES"}
		if name == "closed" {
			limit := "max_statement_time ="
			if srv.MySQL {
				limit = "max_execution_time ="
			}
			words = append(words, limit, "SCHEMATA", "TABLE_NAME = 'STATISTICS'", "auto_increment%", "CAST(")
		}
		for _, word := range words {
			p.on(word)
			later(s, time.Hour)
			got, err := audited(t, s)
			if err == nil || strings.Contains(err.Error(), "tables.timeout") {
				t.Errorf("%s at %s: %v", name, word, err)
			}
			// The results before are still there.
			if n := got["logkeel_mysql_tables{schema=\"shop\"}"]; got["mysql_up"] != 1 || n != 1 || got[`logkeel_mysql_audit_ok{audit="tables"}`] != 0 {
				t.Errorf("%s at %s: up %v, %v tables, ok %v", name, word, got["mysql_up"], n, got[`logkeel_mysql_audit_ok{audit="tables"}`])
			}
			p.on("\x00nothing")
			later(s, 50*time.Minute) // it is tried again before the hour is over
			if got, err = audited(t, s); err != nil || got[`logkeel_mysql_audit_ok{audit="tables"}`] != 1 {
				t.Errorf("%s after %s: %v", name, word, err)
			}
		}
		// Results that are too old are not told any longer.
		p.on("SCHEMATA")
		later(s, 3*time.Hour)
		got, err := audited(t, s)
		if _, ok := got["logkeel_mysql_tables{schema=\"shop\"}"]; ok || err == nil {
			t.Errorf("%s: old results are told, %v", name, err)
		}
		if n := int(p.seen.Load()); n != len(words)+1 {
			t.Errorf("%s: %d statements were held, want %d", name, n, len(words)+1)
		}
		s.Close()
	}
}

// A statement that is never answered ends; nothing else is held up by it.
func TestServerHangsInAnAudit(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(auditGrants("auditor", "shop"))
	p := newProxy(t, srv.Addr, func(p *proxy, _ net.Conn) { <-p.after })
	defer close(p.after)
	c := auditing(p.addr, "auditor")
	c.Tables.Timeout = 5 * second // each query before the one that hangs has to be answered in that
	s := newSampler(t, c)
	p.on("CAST(TABLE_NAME")
	if _, err := take(t, s); err != nil {
		t.Fatal(err)
	}
	for p.seen.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		got, err := take(t, s)
		if err != nil && strings.Contains(err.Error(), "tables.timeout") {
			err = nil // on a slow machine it is over by now
		}
		if err != nil || len(got) < fewest(srv) {
			t.Errorf("while an audit hangs: %d series, %v", len(got), err)
		}
	}
	settle(t, s)
	got, err := take(t, s)
	testenv.WantError(t, err, "information_schema.STATISTICS of shop", "took longer than tables.timeout, which is 5s")
	if got["mysql_up"] != 1 {
		t.Errorf("up %v", got["mysql_up"])
	}
	count := func() string {
		return srv.SQL("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'auditor'")
	}
	if n := count(); n != "1" {
		t.Errorf("%s connections, want that of the snapshots", n)
	}
	// Close does not wait for the server.
	s.Close()
	c.Tables.Timeout = 10 * minute
	s2 := newSampler(t, c)
	take(t, s2)
	for p.seen.Load() == 1 {
		time.Sleep(time.Millisecond)
	}
	closed := make(chan error)
	go func() { closed <- s2.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Close hangs")
	}
	for range 6000 {
		if count() == "0" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := count(); n != "0" {
		t.Errorf("%s connections after Close", n)
	}
}
