package tlsconf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	const hint = "; name PEM files that this user can read"
	for _, tt := range []struct {
		name string
		c    *Config
		host string
		want string
	}{
		{"none", nil, "", ""},
		{"the system's", &Config{}, "a.test", ""},
		{"a socket", &Config{}, "", "c.yaml: tls: a unix socket has no host name to verify; set server_name to the name in the server's certificate"},
		{"a socket with a name", &Config{ServerName: "a.test"}, "", ""},
		{"a socket, unverified", &Config{InsecureSkipVerify: true}, "", ""},
		{"no file", &Config{CAFile: dir + "/none.pem"}, "a.test", "c.yaml: tls: ca_file: open " + dir + "/none.pem: no such file or directory" + hint},
		{"no certificate", &Config{CAFile: empty}, "a.test", "c.yaml: tls: ca_file: no certificate in " + empty + hint},
		{"no key", &Config{CertFile: empty}, "a.test", "c.yaml: tls: cert_file and key_file belong together" + hint},
		{"no pair", &Config{CertFile: empty, KeyFile: empty}, "a.test", "c.yaml: tls: cert_file: tls: failed to find any PEM data in certificate input" + hint},
	} {
		got := ""
		if err := tt.c.Check(&conf.Doc{File: "c.yaml"}, "tls", tt.host); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q; want %q", tt.name, got, tt.want)
		}
	}
}

func TestClient(t *testing.T) {
	if c, err := (*Config)(nil).Client("a.test"); c != nil || err != nil {
		t.Errorf("no section gives %v, %v", c, err)
	}
	c, err := (&Config{}).Client("a.test")
	if err != nil || c.ServerName != "a.test" || c.InsecureSkipVerify || c.RootCAs != nil {
		t.Errorf("the empty section gives %+v, %v", c, err)
	}
	c, err = (&Config{ServerName: "b.test"}).Client("a.test")
	if err != nil || c.ServerName != "b.test" {
		t.Errorf("server_name gives %+v, %v", c, err)
	}
}

// Names of files start from the configuration's folder.
func TestRelativeFiles(t *testing.T) {
	dir := t.TempDir()
	c := &Config{CAFile: "ca.pem", CertFile: "/abs/cert.pem"}
	_ = c.Check(&conf.Doc{File: filepath.Join(dir, "agent.yaml")}, "tls", "a.test")
	if c.CAFile != filepath.Join(dir, "ca.pem") || c.CertFile != "/abs/cert.pem" || c.KeyFile != "" {
		t.Errorf("%+v", c)
	}
}

// A reload compares sections: with other certificates in the same files it is
// another one.
func TestSectionsDifferByTheirFiles(t *testing.T) {
	dir := t.TempDir()
	section := func(ca string) (c Config, s Server) {
		if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(ca), 0o600); err != nil {
			t.Fatal(err)
		}
		c, s = Config{CAFile: "ca.pem"}, Server{CAFile: "ca.pem"}
		doc := &conf.Doc{File: filepath.Join(dir, "agent.yaml")}
		_, _ = c.Check(doc, "tls", "a.test"), s.Check(doc, "tls")
		return c, s
	}
	c1, s1 := section("one")
	c2, s2 := section("one")
	c3, s3 := section("two")
	if c1 != c2 || s1 != s2 {
		t.Error("the same files make different sections")
	}
	if c1 == c3 || s1 == s3 {
		t.Error("other files make the same section")
	}
}
