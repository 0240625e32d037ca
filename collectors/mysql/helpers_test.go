package mysql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

const password = "s3cret-s3cret"

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

func take(t *testing.T, s *Sampler) (map[string]float64, error) {
	t.Helper()
	return testenv.Take(t, s, password)
}

// wantDown wants nothing but mysql_up 0 and an error with these words.
func wantDown(t *testing.T, got map[string]float64, err error, words ...string) {
	t.Helper()
	testenv.WantDown(t, "mysql_up", got, err, words...)
}

// fewest is how many series a snapshot has at least: MySQL has fewer status.
func fewest(srv *testenv.MariaDBServer) int {
	if srv.MySQL {
		return 800
	}
	return 900
}

// numbers is a table with 1 to n in its column seq.
func numbers(srv *testenv.MariaDBServer, n int) string {
	if srv.MySQL {
		return fmt.Sprintf("(WITH RECURSIVE n (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < %d) SELECT seq FROM n) AS n", n)
	}
	return fmt.Sprintf("seq_1_to_%d", n)
}

// sequence makes one, which MySQL has not.
func sequence(srv *testenv.MariaDBServer, name string) string {
	if srv.MySQL {
		return ""
	}
	return "CREATE SEQUENCE " + name + ";"
}

// killUser ends the connections of a user.
func killUser(srv *testenv.MariaDBServer, user string) {
	for id := range strings.FieldsSeq(srv.SQL("SELECT id FROM information_schema.processlist WHERE user = '" + user + "'")) {
		srv.SQL("KILL " + id)
	}
}
