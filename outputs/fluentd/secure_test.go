package fluentd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

func hexDigest(parts ...string) string {
	h := sha512.New()
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func appendText(b []byte, s string, bin bool) []byte {
	if bin {
		return msgp.AppendBytes(b, []byte(s))
	}
	return msgp.AppendString(b, s)
}

// helo is ["HELO", {...}] with its strings as str or as bin.
func helo(nonce, auth string, bin bool) []byte {
	b := msgp.AppendString(msgp.AppendArrayHeader(nil, 2), "HELO")
	b = msgp.AppendMapHeader(b, 3)
	b = appendText(msgp.AppendString(b, "nonce"), nonce, bin)
	b = appendText(msgp.AppendString(b, "auth"), auth, bin)
	return msgp.AppendBool(msgp.AppendString(b, "keepalive"), true)
}

// A keyed receiver asks for a shared key and, where there is one, a user.
type keyed struct {
	key, user, password string
	bin                 bool
	liar                bool // says yes without knowing the key
}

func (k keyed) handshake(p *peer) error {
	auth := ""
	if k.user != "" {
		auth = "salt of the user"
	}
	if _, err := p.Write(helo("the nonce", auth, k.bin)); err != nil {
		return err
	}
	if n, err := p.r.ReadArrayHeader(); err != nil || n != 6 {
		return fmt.Errorf("PING of %d: %w", n, err)
	}
	var f [6]string
	for i := range f {
		var err error
		if f[i], err = p.r.ReadString(); err != nil {
			return err
		}
	}
	reason := ""
	switch {
	case k.liar:
	case f[3] != hexDigest(f[2], f[1], "the nonce", k.key):
		reason = "shared_key mismatch"
	case k.user != "" && (f[4] != k.user || f[5] != hexDigest(auth, k.user, k.password)):
		reason = "username/password mismatch"
	}
	b := msgp.AppendString(msgp.AppendArrayHeader(nil, 5), "PONG")
	b = appendText(msgp.AppendBool(b, reason == ""), reason, k.bin)
	b = appendText(b, "server", k.bin)
	b = appendText(b, hexDigest(f[2], "server", "the nonce", k.key), k.bin)
	if _, err := p.Write(b); err != nil || reason != "" {
		return fmt.Errorf("refused: %w", err)
	}
	return nil
}

func TestHandshakes(t *testing.T) {
	user := func(c *Config) {
		c.SharedKey, c.Username, c.Password = conf.NewSecret("k3y-secret"), "agent", conf.NewSecret("pa55-secret")
	}
	key := func(c *Config) { c.SharedKey = conf.NewSecret("k3y-secret") }
	tests := []struct {
		name   string
		server keyed
		client func(*Config)
		says   string
	}{
		{"key", keyed{key: "k3y-secret"}, key, ""},
		{"key, as bin", keyed{key: "k3y-secret", bin: true}, key, ""},
		{"user", keyed{key: "k3y-secret", user: "agent", password: "pa55-secret"}, user, ""},
		{"user, as bin", keyed{key: "k3y-secret", user: "agent", password: "pa55-secret", bin: true}, user, ""},
		{"a user that nobody asks for", keyed{key: "k3y-secret"}, user, ""},
		{"wrong key", keyed{key: "other"}, key, `refused by the server: \"shared_key mismatch\"; compare shared_key, username and password with the server's`},
		{"wrong password", keyed{key: "k3y-secret", user: "agent", password: "other", bin: true}, user, `refused by the server: \"username/password mismatch\"`},
		{"no user", keyed{key: "k3y-secret", user: "agent", password: "pa55-secret"}, key, `refused by the server: \"username/password mismatch\"`},
		{"a server without the key", keyed{key: "other", liar: true}, key, "the server does not know the shared_key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			script := func(n int, p *peer) error {
				if p == nil {
					return nil
				}
				s := tt.server
				if n > 5 && tt.says != "" { // somebody puts it right
					s = keyed{key: "k3y-secret"}
				}
				if err := s.handshake(p); err != nil {
					return err
				}
				return acks(n, p)
			}
			inBubble(t, config(tt.client), script, func(r *rig) {
				r.write(30, 10)
				r.settle()
				time.Sleep(2 * time.Second)
				r.arrived(true)
				if tt.says == "" {
					r.said()
				} else {
					r.said(tt.says, again)
				}
				if log := r.state.log.String(); strings.Contains(log, "k3y-secret") || strings.Contains(log, "pa55-secret") {
					t.Errorf("a secret is in the log:\n%s", log)
				}
			})
		})
	}
}

// TestNoHandshake: a server without a shared key says nothing, and we wait.
func TestNoHandshake(t *testing.T) {
	script := func(n int, p *peer) error {
		if p != nil && n > 3 {
			if err := (keyed{key: "key"}).handshake(p); err != nil {
				return err
			}
		}
		return acks(n, p)
	}
	inBubble(t, config(func(c *Config) { c.SharedKey = conf.NewSecret("key") }), script, func(r *rig) {
		r.write(3, 10)
		r.settle()
		time.Sleep(2 * time.Second)
		r.arrived(true)
		r.said("has the server a shared_key, and is TLS the same on both sides?", again)
	})
}

// certify makes a certificate for the name and writes it to dir.
func certify(t *testing.T, dir, file, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, file)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	right, file := certify(t, dir, "right.pem", "fluentd.test")
	wrong, _ := certify(t, dir, "wrong.pem", "fluentd.test")
	other, otherFile := certify(t, dir, "other.pem", "other.test")
	tests := []struct {
		name   string
		server *tls.Certificate // nil: plain
		ca     string
		says   string
	}{
		{"right", &right, file, ""},
		{"signed by another", &wrong, file, "x509: certificate signed by unknown authority"},
		{"of another name", &other, otherFile, "x509: certificate is valid for other.test, not fluentd.test"},
		{"a plain server", nil, file, "secure the connection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			script := func(n int, p *peer) error {
				if p == nil {
					return nil
				}
				cert := tt.server
				if n > 5 && tt.says != "" && tt.ca == file {
					cert = &right
				}
				if cert == nil {
					_, err := p.Write(helo("nonce", "", false))
					return err
				}
				near, far := net.Pipe() // as a socket's, it has a buffer
				defer far.Close()
				go func() {
					io.Copy(near, p.Conn)
					near.Close()
				}()
				go func() {
					io.Copy(p.Conn, near)
					p.Close()
				}()
				c := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{*cert}})
				s := &peer{Conn: c, r: msgp.NewReader(c), rx: p.rx}
				if err := (keyed{key: "key"}).handshake(s); err != nil {
					return err
				}
				return acks(n, s)
			}
			c := config(func(c *Config) {
				c.TLS, c.SharedKey = &tlsconf.Config{CAFile: tt.ca, ServerName: "fluentd.test"}, conf.NewSecret("key")
			})
			inBubble(t, c, script, func(r *rig) {
				r.write(9, 1000)
				if tt.ca == otherFile {
					time.Sleep(time.Minute)
					r.said(tt.says)
					return
				}
				r.settle()
				time.Sleep(2 * time.Second)
				r.arrived(true)
				if tt.says == "" {
					r.said()
				} else {
					r.said(tt.says, again)
				}
			})
		})
	}
}

// TestUnixSocket runs over a real socket.
func TestUnixSocket(t *testing.T) {
	st := newState(t)
	path := filepath.Join(st.dir, "in.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	rx := &receiver{t: t}
	rx.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			acks(1, &peer{Conn: c, r: msgp.NewReader(c), rx: rx})
			c.Close()
		}
	})
	o, _ := st.open(patient(func(c *Config) { c.Address = "unix://" + path }))
	r := &rig{t: t, state: st, o: o, rx: rx}
	for i := range r.sources {
		r.sources[i] = container(string(rune('a' + i)))
	}
	r.start()
	r.write(90, 100)
	for o.lanes[0].q.measure().chunks > 0 || !o.lanes[0].spool.Empty() {
		time.Sleep(time.Millisecond)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	l.Close()
	rx.wg.Wait()
	r.arrived(true)
	r.said()
}
