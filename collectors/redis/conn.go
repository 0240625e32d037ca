package redis

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/webgrip/logkeel/agent/conf"
)

// A dialer makes connections to one server.
type dialer struct {
	network, address string
	username         string
	password         conf.Secret
	tls              *tls.Config // nil: without
}

// A client is one connection. Of the commands that may set one up it sends none
// but AUTH, for a user with few rights may send nothing else.
type client struct {
	conn redis.Conn
	raw  net.Conn
}

func (d *dialer) dial(ctx context.Context) (*client, error) {
	raw, err := new(net.Dialer).DialContext(ctx, d.network, d.address)
	if err != nil {
		return nil, err
	}
	if d.tls != nil {
		secure := tls.Client(raw, d.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, fmt.Errorf("tls: %w; is this the server's TLS port, and its certificate's authority in ca_file?", err)
		}
		raw = secure
	}
	c := &client{conn: redis.NewConn(&bounded{Conn: raw}, 0, 0), raw: raw}
	if d.password.IsZero() {
		return c, nil
	}
	args := []any{d.password.Value()}
	if d.username != "" {
		args = []any{d.username, d.password.Value()}
	}
	if _, err := c.do(ctx, "AUTH", args...); err != nil {
		c.close()
		return nil, refusal(err)
	}
	return c, nil
}

// refusal is the error of AUTH. The server's own text stays out of it: it may
// repeat what it was sent.
func refusal(err error) error {
	var e redis.Error
	switch {
	case !errors.As(err, &e):
		return err
	case errorCode(err) == "WRONGPASS" || strings.HasPrefix(string(e), "ERR invalid password"):
		return errors.New("the server refuses username or password; compare them with ACL LIST, or with requirepass where username is not set")
	case strings.Contains(string(e), "without any password configured"):
		return errors.New("the server's default user has no password; remove password from the configuration")
	case errorCode(err) == "LOADING":
		return err
	}
	return fmt.Errorf("the server refuses AUTH (%s); is this a Redis server, and is AUTH renamed there?", errorCode(err))
}

// do sends one command and waits for its reply. When ctx is done the connection
// is closed, whatever the server does.
func (c *client) do(ctx context.Context, command string, args ...any) (any, error) {
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer stop()
	v, err := c.conn.Do(command, args...)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return v, err
}

func (c *client) ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	_, err := c.do(ctx, "PING")
	return time.Since(start), err
}

func (c *client) broken() bool { return c.conn.Err() != nil }

func (c *client) close() { c.conn.Close() }

// errorCode is the first word of what the server answered, as NOPERM; "" for any
// other error.
func errorCode(err error) string {
	var e redis.Error
	if !errors.As(err, &e) {
		return ""
	}
	code, _, _ := strings.Cut(string(e), " ")
	for i := range len(code) {
		if code[i] < 'A' || code[i] > 'Z' {
			return "ERR"
		}
	}
	return code[:min(len(code), 32)]
}

func unknownCommand(err error) bool {
	var e redis.Error
	return errors.As(err, &e) && strings.HasPrefix(string(e), "ERR unknown ")
}

// explain says what to do about an error of a command that an ACL calls rule.
func (d *dialer) explain(rule string, err error) error {
	user := d.username
	if user == "" {
		user = "default"
	}
	switch errorCode(err) {
	case "NOPERM":
		return fmt.Errorf("user %s may not use %s; as an administrator: ACL SETUSER %s +%s", user, rule, user, rule)
	case "NOAUTH":
		return errors.New("the server wants a password; set password or password_file")
	case "":
		if errors.Is(err, io.EOF) {
			err = errors.New("the server closed the connection; look at its log, and at maxclients")
		}
		return fmt.Errorf("%s: %w", d.address, err)
	}
	return fmt.Errorf("%s: the server answers %s", rule, d.printable(err.Error()))
}

// printable is a server's text, without what does not belong on a screen.
func (d *dialer) printable(s string) string {
	if p := d.password.Value(); p != "" {
		s = strings.ReplaceAll(s, p, d.password.String())
	}
	const longest = 200
	return strconv.QuoteToASCII(s[:min(len(s), longest)])
}

const (
	maxReply = 8 << 20  // bytes of one reply; INFO has a few KiB
	maxHead  = 64 << 10 // bytes of a reply's first line
)

// A bounded connection refuses replies that the commands sent here do not have.
// Without it, a server could make redigo allocate whatever it announces.
type bounded struct {
	net.Conn
	bulk int    // bytes of the current bulk string still to come, line end included
	head []byte // what has come of the current reply's first line
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if bad := b.check(p[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

func (b *bounded) check(p []byte) error {
	for len(p) > 0 {
		if b.bulk > 0 {
			n := min(b.bulk, len(p))
			b.bulk -= n
			p = p[n:]
			continue
		}
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		b.head, p = append(b.head, line...), rest
		if len(b.head) > maxHead {
			return errors.New("the reply's first line is too long; is this a Redis server?")
		}
		if len(b.head) > 0 && strings.IndexByte("+-:$", b.head[0]) < 0 {
			return fmt.Errorf("a reply that begins with %q; is this a Redis server, and is TLS set as it wants it?", b.head[0])
		}
		if !whole {
			return nil
		}
		if len(b.head) > 0 && b.head[0] == '$' {
			n, err := strconv.Atoi(string(bytes.TrimSuffix(b.head[1:], []byte("\r"))))
			if err != nil || n < -1 || n > maxReply {
				return fmt.Errorf("a reply of %.20q bytes; is this a Redis server?", b.head[1:])
			}
			if n >= 0 {
				b.bulk = n + len("\r\n")
			}
		}
		b.head = b.head[:0]
	}
	return nil
}
