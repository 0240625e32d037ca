package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/webgrip/logkeel/agent/printable"
)

// grant is what lets the agent see what others do.
func (c *Config) grant() string {
	return fmt.Sprintf("as a superuser: GRANT pg_monitor TO %s", quoted(c.User))
}

// quoted is a name as SQL writes it: in quotes where it is not a plain one.
func quoted(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// hint is what to do about an error of the server's, by its SQLSTATE.
func (c *Config) hint(e *pgconn.PgError) string {
	switch e.Code {
	case "28P01":
		return "compare user and password"
	case "28000":
		if strings.Contains(e.Message, "no encryption") || strings.Contains(e.Message, "SSL off") {
			return "set tls, or add a line to the server's pg_hba.conf that lets this user in without it"
		}
		return "make the user, or add a line for it to the server's pg_hba.conf, and reload the server"
	case "3D000":
		return "set database to one that is there; postgres nearly always is"
	case "42501":
		if schema, ok := strings.CutPrefix(e.Message, "permission denied for schema "); ok {
			return fmt.Sprintf("as a superuser in database %s: GRANT USAGE ON SCHEMA %s TO %s", quoted(c.Database), quoted(c.clean(errors.New(schema))), quoted(c.User))
		}
		return c.grant()
	case "53300":
		return "look at max_connections and at who is connected (SELECT * FROM pg_stat_activity)"
	case "55P03":
		return "it waits for a lock that another one holds, and is asked for again"
	case "57014":
		return fmt.Sprintf("it took longer than %s, and is asked for again", statementTimeout)
	case "57P01", "57P02":
		return "the server ends, or an administrator ended the connection; it is made again"
	case "57P03":
		return "wait, or look at its log if it does not end"
	}
	return "look at the server's log"
}

// explain says what to do about an error of what was asked.
func (c *Config) explain(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", c.where(what), context.Cause(ctx))
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return fmt.Errorf("%s: the server answers %s: %s; %s", c.where(what), c.clean(errors.New(e.Code)), c.clean(errors.New(e.Message)), c.hint(e))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: the server closed the connection; look at its log, and whether this is a PostgreSQL server", c.where(what))
	}
	var failed *pgconn.ConnectError
	if errors.As(err, &failed) {
		if err = failed.Unwrap(); foreign(err) {
			return fmt.Errorf("%s: what answers there is no PostgreSQL server (%s); compare the address with the server's own settings, a port of another server may be meant", c.where(what), c.bare(err))
		}
	}
	hint := ""
	if strings.Contains(err.Error(), "refused TLS") {
		hint = "; the server has no TLS: remove tls, or set ssl = on there"
	}
	return fmt.Errorf("%s: %s%s", c.where(what), c.bare(err), hint)
}

// foreign reports whether something was received that is none of the protocol's. The
// driver has no type for that: what else fails at this point is the network.
func foreign(err error) bool {
	return strings.Contains(err.Error(), received) && !errors.As(err, new(net.Error)) && !errors.Is(err, net.ErrClosed)
}

const received = "failed to receive message: "

// bare is clean without what was said already: the address, which the driver puts before
// each error, and how it calls its steps.
func (c *Config) bare(err error) string {
	text := err.Error()
	if host, _, err := net.SplitHostPort(c.Address); err == nil {
		text = strings.TrimPrefix(text, fmt.Sprintf("%s (%s): ", c.Address, host))
	} else if _, after, ok := strings.Cut(text, " (localhost): "); ok && c.Socket != "" { // which stands in for the socket
		text = after
	}
	return c.clean(errors.New(strings.Replace(text, received, "", 1)))
}

func (c *Config) where(what string) string {
	if what != "" {
		return what
	}
	return c.Address + c.Socket // one of them is set
}

// clean is an error's text without what does not belong on a screen: a server
// may answer anything.
func (c *Config) clean(err error) string {
	s := err.Error()
	if p := c.Password.Value(); p != "" {
		s = strings.ReplaceAll(s, p, c.Password.String())
	}
	const longest = 300
	return printable.Line(strings.ToValidUTF8(s[:min(len(s), longest)], "?"))
}
