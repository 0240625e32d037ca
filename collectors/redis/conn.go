package redis

import (
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
	conn  redis.Conn
	raw   net.Conn
	reply *bounded
	db    int // that is selected
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
	reply := &bounded{Conn: raw}
	c := &client{conn: redis.NewConn(reply, 0, 0), raw: raw, reply: reply}
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
	c.reply.elements = arrayOf(command)
	v, err := c.conn.Do(command, args...)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return v, err
}

// A command is one of several that are sent at once.
type command struct {
	name string
	args []any
}

// A reply is what the server answered to one of several commands.
type reply struct {
	value any
	err   error
}

// all sends several commands, and then waits for all the replies: one way there
// and back, whatever their number. The error is that of the connection; what the
// server refuses is in the reply.
func (c *client) all(ctx context.Context, commands []command) ([]reply, error) {
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer stop()
	replies, err := c.pipeline(commands)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return replies, err
}

func (c *client) pipeline(commands []command) ([]reply, error) {
	c.reply.elements = 0
	for _, a := range commands {
		c.reply.elements = max(c.reply.elements, arrayOf(a.name))
		if err := c.conn.Send(a.name, a.args...); err != nil {
			return nil, err
		}
	}
	if err := c.conn.Flush(); err != nil {
		return nil, err
	}
	replies := make([]reply, len(commands))
	for i := range replies {
		v, err := c.conn.Receive()
		if err != nil && errorCode(err) == "" {
			return nil, err
		}
		replies[i] = reply{v, err}
	}
	return replies, nil
}

// choose makes the database the connection's, where it is not yet.
func (c *client) choose(ctx context.Context, db int) error {
	if c.db == db {
		return nil
	}
	if _, err := c.do(ctx, "SELECT", db); err != nil {
		return err
	}
	c.db = db
	return nil
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
		if text := err.Error(); strings.Contains(text, "access") && strings.Contains(text, "key") {
			return fmt.Errorf("user %s may not read a key with %s; as an administrator: ACL SETUSER %s ~KEYS, with a pattern of the keys", user, rule, user)
		}
		return fmt.Errorf("user %s may not use %s; as an administrator: ACL SETUSER %s +%s", user, rule, user, rule)
	case "MOVED", "ASK":
		return fmt.Errorf("%s: this key is on another node of the cluster; ask that one for it", rule)
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
