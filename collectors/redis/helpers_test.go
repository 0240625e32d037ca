package redis

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

func user(address, name string) Config {
	return Config{Name: "r", Address: address, Username: name, Password: conf.NewSecret(password)}
}

func take(t *testing.T, s *Sampler) (map[string]float64, error) {
	t.Helper()
	return testenv.Take(t, s, password)
}

// wantDown wants nothing but redis_up 0 and an error with these words.
func wantDown(t *testing.T, got map[string]float64, err error, words ...string) {
	t.Helper()
	testenv.WantDown(t, "redis_up", got, err, words...)
}

// checked is what is wrong with a section of r.yaml.
func checked(t *testing.T, section string) string {
	t.Helper()
	var c struct {
		Redis Config `yaml:"redis"`
	}
	c.Redis.SetDefaults()
	doc, err := conf.Decode("r.yaml", []byte("redis: "+section), &c, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Redis.Check(doc, "redis"); err != nil {
		return err.Error()
	}
	return ""
}
