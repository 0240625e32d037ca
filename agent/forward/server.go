package forward

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/tinylib/msgp/msgp"
)

// A Gate is what a server wants to know of its clients.
type Gate struct {
	Hostname  string // the server's own
	SharedKey string
	Users     map[string]string // password by name; empty: no user is asked for
}

// maxPing bounds what a client is taken that nobody knows yet, in bytes.
const maxPing = 32 << 10

var (
	errKey  = errors.New("the client does not know the shared_key")
	errUser = errors.New("the client's username or password is wrong")
)

// Admit does the server's part of the handshake: it writes HELO, reads PING and
// writes PONG. After an error the client has been told no more than that it is
// refused. The caller sets deadlines.
func (g *Gate) Admit(w io.Writer, r *Receiver) error {
	nonce, auth := random(), []byte(nil)
	if len(g.Users) > 0 {
		auth = random()
	}
	b := msgp.AppendString(msgp.AppendArrayHeader(nil, 2), "HELO")
	b = msgp.AppendMapHeader(b, 3)
	b = msgp.AppendBytes(msgp.AppendString(b, "nonce"), nonce)
	if b = msgp.AppendString(b, "auth"); len(auth) > 0 {
		b = msgp.AppendBytes(b, auth)
	} else {
		b = msgp.AppendString(b, "") // as Fluentd does
	}
	b = msgp.AppendBool(msgp.AppendString(b, "keepalive"), true)
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("handshake: write HELO: %w", err)
	}
	p, err := readPing(r)
	if err != nil {
		return fmt.Errorf("handshake: read PING: %w", err)
	}
	refused := g.judge(p, nonce, auth)
	b = msgp.AppendString(msgp.AppendArrayHeader(nil, 5), "PONG")
	if refused == nil {
		b = msgp.AppendString(msgp.AppendBool(b, true), "")
		b = msgp.AppendString(b, g.Hostname)
		b = msgp.AppendString(b, digest(p.salt, []byte(g.Hostname), nonce, []byte(g.SharedKey)))
	} else {
		b = msgp.AppendString(msgp.AppendBool(b, false), "shared_key, username or password mismatch")
		b = msgp.AppendString(msgp.AppendString(b, ""), "")
	}
	if _, err := w.Write(b); err != nil && refused == nil {
		return fmt.Errorf("handshake: write PONG: %w", err)
	}
	if refused != nil {
		return fmt.Errorf("handshake: %w", refused)
	}
	return nil
}

func random() []byte {
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	return []byte(hex.EncodeToString(raw[:]))
}

// judge says why the client is refused. How long it takes says nothing of a secret.
func (g *Gate) judge(p pinged, nonce, auth []byte) error {
	key := digest(p.salt, p.hostname, nonce, []byte(g.SharedKey))
	if subtle.ConstantTimeCompare([]byte(key), p.key) != 1 {
		return errKey
	}
	if len(g.Users) == 0 {
		return nil
	}
	good := 0
	for name, password := range g.Users {
		want := digest(auth, []byte(name), []byte(password))
		good |= subtle.ConstantTimeCompare([]byte(name), p.user) & subtle.ConstantTimeCompare([]byte(want), p.password)
	}
	if good != 1 {
		return errUser
	}
	return nil
}

// pinged is what a client says of itself.
type pinged struct{ hostname, salt, key, user, password []byte }

// readPing reads ["PING", hostname, salt, digest of the key, user, digest of the password].
func readPing(r *Receiver) (p pinged, err error) {
	r.from = r.at
	defer func(limit int) { r.max = limit }(r.max)
	r.max = min(r.max, maxPing)
	n, err := r.array()
	if err != nil {
		return p, err
	}
	if n < 6 || n > 16 {
		return p, fmt.Errorf("%w: an array of %d", ErrMalformed, n)
	}
	var kind []byte
	for _, s := range []*[]byte{&kind, &p.hostname, &p.salt, &p.key, &p.user, &p.password} {
		text, err := r.text("a part of it", maxText)
		if err != nil {
			return p, err
		}
		*s = append([]byte(nil), text...)
	}
	if string(kind) != "PING" {
		return p, fmt.Errorf("%w: %.20q in place of PING", ErrMalformed, kind)
	}
	for range n - 6 {
		if err := r.value(); err != nil {
			return p, err
		}
	}
	return p, nil
}
