package postgres

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

const password = "s3cret-s3cret"

// rights make the user as docs/samplers.md says.
const rights = "CREATE USER logkeel PASSWORD '" + password + "'; GRANT pg_monitor TO logkeel;"

// start starts a server with pg_stat_statements, a database shop, and the user.
func start(t *testing.T, settings ...string) *testenv.PostgresServer {
	t.Helper()
	srv := testenv.Postgres(t, append([]string{"shared_preload_libraries=pg_stat_statements", "max_connections=30"}, settings...)...)
	srv.SQL(rights + "CREATE EXTENSION pg_stat_statements; CREATE DATABASE shop")
	srv.SQLIn("shop", "CREATE TABLE orders (id INT PRIMARY KEY, total INT); INSERT INTO orders SELECT n, n * 10 FROM generate_series(1, 100) n")
	return srv
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

func take(t *testing.T, s *Sampler) (map[string]float64, error) {
	t.Helper()
	return testenv.Take(t, s, password)
}

// wantDown wants nothing but pg_up 0 and an error with these words.
func wantDown(t *testing.T, got map[string]float64, err error, words ...string) {
	t.Helper()
	testenv.WantDown(t, "pg_up", got, err, words...)
}

// checked is what is wrong with a section of p.yaml.
func checked(t *testing.T, section string) string {
	t.Helper()
	var c struct {
		Postgres Config `yaml:"postgres"`
	}
	c.Postgres.SetDefaults()
	doc, err := conf.Decode("p.yaml", []byte("postgres: "+section), &c, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Postgres.Check(doc, "postgres"); err != nil {
		return err.Error()
	}
	return ""
}

// session runs statements in a psql that stays, until the function it returns, or
// the test, ends it.
func session(t *testing.T, srv *testenv.PostgresServer, database, statements string) (end func()) {
	t.Helper()
	o, err := options(as(srv.Addr, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	o.Database = database
	l, err := connect(t.Context(), o, "")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = l.Exec(context.Background(), "RESET ALL; SET search_path = public; SET default_transaction_read_only = off; "+statements).ReadAll()
	}()
	end = sync.OnceFunc(func() {
		l.cut()
		<-done
	})
	t.Cleanup(end)
	return end
}

func await(t *testing.T, ready func() bool) {
	t.Helper()
	for range 6000 {
		if ready() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not within a minute")
}
