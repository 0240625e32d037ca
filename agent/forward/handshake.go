package forward

import (
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/tinylib/msgp/msgp"
)

// Credentials are what a client proves to a server, and the server to it.
type Credentials struct {
	Hostname  string // the client's own
	SharedKey string
	Username  string
	Password  string
}

// ErrRefused is wrapped by the error of a handshake that the server ended.
var ErrRefused = errors.New("refused by the server")

// Handshake does the client's part: it reads HELO, writes PING and reads PONG.
// The caller sets deadlines.
func Handshake(w io.Writer, r *msgp.Reader, c Credentials) error {
	nonce, auth, err := readHelo(r)
	if err != nil {
		return fmt.Errorf("handshake: read HELO: %w", err)
	}
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	salt := []byte(hex.EncodeToString(raw[:]))
	if _, err := w.Write(ping(c, salt, nonce, auth)); err != nil {
		return fmt.Errorf("handshake: write PING: %w", err)
	}
	return readPong(r, c, salt, nonce)
}

func digest(parts ...[]byte) string {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func ping(c Credentials, salt, nonce, auth []byte) []byte {
	b := msgp.AppendArrayHeader(nil, 6)
	b = msgp.AppendString(b, "PING")
	b = msgp.AppendString(b, c.Hostname)
	b = msgp.AppendStringFromBytes(b, salt)
	b = msgp.AppendString(b, digest(salt, []byte(c.Hostname), nonce, []byte(c.SharedKey)))
	if len(auth) == 0 {
		b = msgp.AppendString(b, "")
		return msgp.AppendString(b, "")
	}
	b = msgp.AppendString(b, c.Username)
	return msgp.AppendString(b, digest(auth, []byte(c.Username), []byte(c.Password)))
}

// readHelo reads ["HELO", {"nonce": …, "auth": …, "keepalive": …}].
func readHelo(r *msgp.Reader) (nonce, auth []byte, err error) {
	more, err := readKind(r, "HELO", 2)
	if err != nil {
		return nil, nil, err
	}
	n, err := r.ReadMapHeader()
	if err != nil {
		return nil, nil, err
	}
	for range n {
		key, err := readText(r)
		if err != nil {
			return nil, nil, err
		}
		switch string(key) {
		case "nonce":
			nonce, err = readText(r)
		case "auth":
			auth, err = readText(r)
		default:
			err = r.Skip()
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return nonce, auth, skip(r, more)
}

// readPong reads ["PONG", ok, reason, server's hostname, digest].
func readPong(r *msgp.Reader, c Credentials, salt, nonce []byte) error {
	more, err := readKind(r, "PONG", 5)
	if err != nil {
		return fmt.Errorf("handshake: read PONG: %w", err)
	}
	ok, err := r.ReadBool()
	if err != nil {
		return fmt.Errorf("handshake: read PONG: %w", err)
	}
	var text [3][]byte
	for i := range text {
		if text[i], err = readText(r); err != nil {
			return fmt.Errorf("handshake: read PONG: %w", err)
		}
	}
	if !ok {
		return fmt.Errorf("handshake: %w: %q; compare shared_key, username and password with the server's", ErrRefused, text[0])
	}
	if err := skip(r, more); err != nil {
		return fmt.Errorf("handshake: read PONG: %w", err)
	}
	want := digest(salt, text[1], nonce, []byte(c.SharedKey))
	if subtle.ConstantTimeCompare([]byte(want), text[2]) != 1 {
		return errors.New("handshake: the server does not know the shared_key; compare it with the server's")
	}
	return nil
}

// readKind reads the start of an array of at least that many members, of which
// the first says what it is. more is how many there are beyond them.
func readKind(r *msgp.Reader, want string, members uint32) (more uint32, err error) {
	n, err := r.ReadArrayHeader()
	if err != nil {
		return 0, err
	}
	kind, err := readText(r)
	if err != nil {
		return 0, err
	}
	if string(kind) != want || n < members {
		return 0, fmt.Errorf("got %.20q of %d members", kind, n)
	}
	return n - members, nil
}

// skip passes over members that a later version of the protocol may have.
func skip(r *msgp.Reader, members uint32) error {
	for range members {
		if err := r.Skip(); err != nil {
			return err
		}
	}
	return nil
}

// readText reads a string, which some send as str and others as bin.
func readText(r *msgp.Reader) ([]byte, error) {
	t, err := r.NextType()
	if err != nil {
		return nil, err
	}
	var n uint32
	switch t {
	case msgp.StrType:
		n, err = r.ReadStringHeader()
	case msgp.BinType:
		n, err = r.ReadBytesHeader()
	case msgp.NilType:
		return nil, r.ReadNil()
	default:
		return nil, fmt.Errorf("expected a string, got %s", t)
	}
	if err != nil {
		return nil, err
	}
	if n > maxText {
		return nil, fmt.Errorf("a string of %d bytes", n)
	}
	b := make([]byte, n)
	_, err = r.ReadFull(b)
	return b, err
}
