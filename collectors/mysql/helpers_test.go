package mysql

import (
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
