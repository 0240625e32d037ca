package forward

import (
	"path/filepath"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// TestNodeLogger: a client that is not ours and has all four modes, with
// acknowledgements, by TLS and with key and user.
func TestNodeLogger(t *testing.T) {
	t.Parallel()
	dir := testenv.Certificates(t)
	for _, mode := range []string{"Message", "Forward", "PackedForward", "CompressedPackedForward"} {
		s := newSink()
		r := start(t, config(t), t.TempDir(), s)
		if err := (testenv.ForwardClient{Mode: mode}).Send(t, r.Addr(), 100); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		numbers(t, s.await(t, 100), 100)
		if tag := s.all()[0].tag; tag != "node.app" {
			t.Errorf("%s: the tag is %s", mode, tag)
		}
	}
	s := newSink()
	r := start(t, config(t, func(c *Config) {
		c.TLS = &tlsconf.Server{CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server.key")}
		c.SharedKey = conf.NewSecret("key")
		c.Users = []User{{"anna", conf.NewSecret("secret")}}
	}), t.TempDir(), s)
	c := testenv.ForwardClient{Mode: "PackedForward", SharedKey: "key", Username: "anna", Password: "secret", CAFile: filepath.Join(dir, "ca.pem")}
	if err := c.Send(t, r.Addr(), 100); err != nil {
		t.Error(err)
	}
	numbers(t, s.await(t, 100), 100)
}
