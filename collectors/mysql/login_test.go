package mysql

import (
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Why a server lets somebody not in is said in words that help.
func TestLogins(t *testing.T) {
	t.Parallel()
	srv := start(t)
	user := func(name, how string) Config {
		srv.SQL("CREATE USER '" + name + "'@'127.0.0.1' IDENTIFIED BY '" + password + "' " + how)
		c := as(srv.Addr, name)
		c.Statements.Limit = 0
		return c
	}
	down := func(c Config, words ...string) {
		t.Helper()
		got, err := once(t, c)
		wantDown(t, got, err, words...)
	}
	up := func(c Config) {
		t.Helper()
		if got, err := once(t, c); err != nil || got["mysql_up"] != 1 {
			t.Errorf("%s: up %v, %v", c.User, got["mysql_up"], err)
		}
	}
	with := func(c Config) Config {
		c.TLS = &tlsconf.Config{CAFile: srv.CAFile}
		return c
	}
	old := user("old", "PASSWORD EXPIRE")
	if got, err := once(t, old); err == nil { // a MariaDB may let him in, to change it
		t.Errorf("with a password that is over: up %v", got["mysql_up"])
	} else {
		testenv.WantError(t, err, "PASSWORD EXPIRE NEVER")
	}
	down(user("locked", "ACCOUNT LOCK"), "ACCOUNT UNLOCK", "locked")
	secure := user("secure", "REQUIRE SSL")
	down(secure, "1045", "has to use TLS")
	up(with(secure))
	if srv.MySQL {
		tries := user("tries", "FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1")
		srv.SQL("ALTER USER tries@'127.0.0.1' IDENTIFIED BY 'another'")
		down(tries, "look for a wrong password", "3955")
	}

	// MySQL has whole passwords sent, encrypted, once it was told to forget; it
	// takes one that is known without that.
	plain := user("plain", "")
	for range 2 {
		up(plain)
		srv.SQL("FLUSH PRIVILEGES")
		up(with(plain))
		srv.SQL("FLUSH PRIVILEGES")
	}
	socket := as("", "logkeel")
	socket.Socket = srv.Socket
	srv.SQL("SET GLOBAL require_secure_transport = ON")
	got, err := once(t, plain)
	wantDown(t, got, err)
	// Before MariaDB 11 it is as if the password were wrong.
	if !strings.Contains(err.Error(), "3159") && !strings.Contains(err.Error(), "1045") || !strings.Contains(strings.ToLower(err.Error()), "tls") {
		t.Error(err)
	}
	up(with(plain))
	if got, err = once(t, socket); err != nil || got["mysql_up"] != 1 {
		t.Errorf("by the socket: up %v, %v", got["mysql_up"], err)
	}
}
