package forward

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"
)

func sum(parts ...string) string {
	s := sha512.Sum512([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(s[:])
}

// text appends s as str or as bin.
func text(b []byte, s string, bin bool) []byte {
	if bin {
		return msgp.AppendBytes(b, []byte(s))
	}
	return msgp.AppendString(b, s)
}

func helo(nonce, auth string, bin bool) []byte {
	b := msgp.AppendMapHeader(msgp.AppendString([]byte{0x92}, "HELO"), 3)
	b = msgp.AppendBool(msgp.AppendString(b, "keepalive"), true)
	b = text(msgp.AppendString(b, "nonce"), nonce, bin)
	return text(msgp.AppendString(b, "auth"), auth, bin)
}

// A server answers a PING with what pong makes of it.
type server struct {
	bytes.Buffer // what the client reads
	t            *testing.T
	pong         func(ping []string) []byte
	ping         []string
}

func (s *server) Write(b []byte) (int, error) {
	n, left, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || n != 6 {
		s.t.Fatalf("PING has %d members: %v", n, err)
	}
	for range n {
		var v string
		if v, left, err = msgp.ReadStringBytes(left); err != nil {
			s.t.Fatal(err)
		}
		s.ping = append(s.ping, v)
	}
	if len(left) > 0 || s.ping[0] != "PING" {
		s.t.Fatalf("PING is %q, %d bytes left", s.ping, len(left))
	}
	s.Buffer.Write(s.pong(s.ping))
	return len(b), nil
}

func TestHandshake(t *testing.T) {
	c := Credentials{Hostname: "client", SharedKey: "key", Username: "user", Password: "pass"}
	yes := func(bin bool) func([]string) []byte {
		return func(ping []string) []byte {
			b := text(msgp.AppendBool(msgp.AppendString([]byte{0x95}, "PONG"), true), "", bin)
			return text(text(b, "server", bin), sum(ping[2], "server", "nonce", "key"), bin)
		}
	}
	raw := func(s string) func([]string) []byte { return func([]string) []byte { return []byte(s) } }
	no := "\x95\xa4PONG\xc2\xa8mismatch\xa0\xa0"
	tests := []struct {
		name string
		helo string
		auth string
		pong func([]string) []byte
		err  string
	}{
		{"str", string(helo("nonce", "", false)), "", yes(false), ""},
		{"bin", string(helo("nonce", "", true)), "", yes(true), ""},
		{"user, str", string(helo("nonce", "salt", false)), "salt", yes(false), ""},
		{"user, bin", string(helo("nonce", "salt", true)), "salt", yes(true), ""},
		{"auth is nil", "\x92\xa4HELO\x82\xa5nonce\xa5nonce\xa4auth\xc0", "", yes(false), ""},
		{"more than we know", "\x93\xa4HELO\x83\xa5nonce\xa5nonce\xa3new\x92\x01\x80\xa4auth\xa0\xc0", "", func(p []string) []byte {
			b := append(yes(false)(p), 0xc3)
			b[0] = 0x96
			return b
		}, ""},
		{"refused", string(helo("nonce", "", false)), "", raw(no), `handshake: refused by the server: "mismatch"; compare shared_key, username and password with the server's`},
		{"wrong digest", string(helo("nonce", "", false)), "", raw("\x95\xa4PONG\xc3\xa0\xa6server\xa1x"), "handshake: the server does not know the shared_key; compare it with the server's"},
		{"no PONG", string(helo("nonce", "", false)), "", raw("\x95\xa4PING\xc3\xa0\xa6server\xa1x"), `handshake: read PONG: got "PING" of 5 members`},
		{"short PONG", string(helo("nonce", "", false)), "", raw("\x93\xa4PONG\xc3\xa0"), `handshake: read PONG: got "PONG" of 3 members`},
		{"huge PONG", string(helo("nonce", "", false)), "", raw("\x95\xa4PONG\xc3\xdb\xff\xff\xff\xff"), "handshake: read PONG: a string of 4294967295 bytes"},
		{"gone", string(helo("nonce", "", false)), "", raw(""), "handshake: read PONG: EOF"},
		{"no HELO", "\x92\xa3BYE\x80", "", nil, `handshake: read HELO: got "BYE" of 2 members`},
		{"text", "SSH-2.0-OpenSSH", "", nil, `handshake: read HELO: msgp: attempted to decode type "int" with method for "array"`},
		{"huge nonce", "\x92\xa4HELO\x81\xa5nonce\xc6\xff\xff\xff\xff", "", nil, "handshake: read HELO: a string of 4294967295 bytes"},
		{"nothing", "", "", nil, "handshake: read HELO: EOF"},
		{"a number as nonce", "\x92\xa4HELO\x81\xa5nonce\x01", "", nil, "handshake: read HELO: expected a string, got int"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &server{t: t, pong: tt.pong}
			s.WriteString(tt.helo)
			r := NewReader(&s.Buffer)
			err := Handshake(s, r, c)
			if got := errText(err); got != tt.err {
				t.Fatalf("%s; want %s", got, tt.err)
			}
			if errors.Is(err, ErrRefused) != (tt.name == "refused") {
				t.Errorf("refused: %v", err)
			}
			if tt.err != "" {
				return
			}
			want := []string{"PING", "client", s.ping[2], sum(s.ping[2], "client", "nonce", "key"), "", ""}
			if tt.auth != "" {
				want[4], want[5] = "user", sum(tt.auth, "user", "pass")
			}
			if got := strings.Join(s.ping, " "); got != strings.Join(want, " ") {
				t.Errorf("PING is %s; want %s", got, strings.Join(want, " "))
			}
			if _, err := r.NextType(); err != io.EOF {
				t.Errorf("something was not read: %v", err)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzHandshake: no answer of a server makes it panic or take its word for
// knowing the key.
func FuzzHandshake(f *testing.F) {
	f.Add(append(helo("nonce", "salt", true), "\x95\xa4PONG\xc3\xa0\xa6server\xa1x"...))
	f.Add(append(helo("", "", false), "\x95\xa4PONG\xc2\xa0\xa0\xa0"...))
	f.Add([]byte("\x92\xa4HELO\xdf\xff\xff\xff\xff\xa1x\xdd\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		if err := Handshake(io.Discard, r, Credentials{SharedKey: "key"}); err == nil {
			t.Fatal("a server without the key was believed")
		}
		if r.R.BufferSize() > 2*maxText {
			t.Fatalf("a buffer of %d bytes", r.R.BufferSize())
		}
	})
}
