package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/webgrip/logkeel/agent/server"
)

const (
	// statementTimeout and lockTimeout are kept by the server itself: what is asked
	// for here ends there as well, whatever becomes of the connection.
	statementTimeout = 5 * time.Second
	lockTimeout      = time.Second

	maxMessage = 1 << 20 // bytes of one message; a row has some hundred
	maxRows    = 20_000  // of one answer
)

// begin is what a session begins with. Nothing but pg_catalog is looked into, so that
// no function of the application's stands in for one of the server's. It is no part
// of how the session is asked for, so that pg_settings has what others have as well.
var begin = fmt.Sprintf("SET statement_timeout = %d; SET lock_timeout = %d; SET search_path = pg_catalog; SET default_transaction_read_only = on",
	statementTimeout.Milliseconds(), lockTimeout.Milliseconds())

// options is how a server is connected to: as the Config says, and not as the
// environment does (PGHOST, ~/.pgpass and the like).
func options(c Config) (*pgconn.Config, error) {
	t, err := c.TLS.Client(server.Host(c.Address))
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	o, err := pgconn.ParseConfig("host=localhost user=logkeel sslmode=disable")
	if err != nil {
		return nil, errors.New("a variable of the environment whose name begins with PG is in the way; remove it: " + c.clean(err))
	}
	o.Host, o.Port = "localhost", 5432
	if c.Address != "" {
		host, port, _ := net.SplitHostPort(c.Address)
		n, err := net.LookupPort("tcp", port)
		if err != nil {
			return nil, err
		}
		o.Host, o.Port = host, uint16(n)
	}
	o.User, o.Password, o.Database, o.TLSConfig = c.User, c.Password.Value(), c.Database, t
	o.Fallbacks, o.RuntimeParams, o.ConnectTimeout = nil, map[string]string{"application_name": "logkeel", "client_encoding": "UTF8"}, 0
	o.SSLNegotiation, o.SSLCertMode, o.ChannelBinding, o.RequireAuth = "postgres", "", "prefer", ""
	o.MinProtocolVersion, o.MaxProtocolVersion = "3.0", "3.0"
	o.KerberosSrvName, o.KerberosSpn, o.ValidateConnect, o.OAuthTokenProvider = "", "", nil, nil
	o.MaxProtocolMessageBodyLen = maxMessage
	return o, nil
}

// A link is one connection.
type link struct {
	*pgconn.PgConn

	mu   sync.Mutex
	made bool       // it stands, and nothing more is dialled
	raw  []net.Conn // all that were dialled
}

// connect makes a connection. To cancel a statement the driver would dial once
// more, which it is not given: statement_timeout ends it.
func connect(ctx context.Context, o *pgconn.Config, socket string) (*link, error) {
	l := &link{}
	with := o.Copy()
	dialer := &net.Dialer{KeepAlive: time.Minute}
	with.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if socket != "" {
			network, address = "unix", socketFile(socket)
		}
		l.mu.Lock()
		made := l.made
		l.mu.Unlock()
		if made {
			return nil, net.ErrClosed
		}
		conn, err := dialer.DialContext(ctx, network, address)
		if err == nil {
			l.mu.Lock()
			l.raw = append(l.raw, conn)
			l.mu.Unlock()
		}
		return conn, err
	}
	conn, err := pgconn.ConnectConfig(ctx, with)
	l.mu.Lock()
	l.made = true
	l.mu.Unlock()
	if err != nil {
		l.cut()
		return nil, err
	}
	l.PgConn = conn
	if err := conn.Exec(ctx, begin).Close(); err != nil {
		l.cut()
		return nil, err
	}
	return l, nil
}

// socketFile also takes the folder of the socket, as PostgreSQL's own programs do.
func socketFile(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, ".s.PGSQL.5432")
	}
	return path
}

// cut ends the connection in whatever state it is.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.raw {
		c.Close()
	}
}

// close says goodbye where the server listens.
func (l *link) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = l.Close(ctx)
	l.cut()
}

// A row is what the server answers, as text. What is NULL is nil.
type row [][]byte

func (r row) null(i int) bool { return r[i] == nil }

func (r row) text(i int) string { return label(r[i]) }

// number also reads booleans, as 0 and 1. ok is false for NULL, and for what is no
// number.
func (r row) number(i int) (v float64, ok bool) { return number(string(r[i])) }

// query calls each for the rows of the answer, which have so many columns.
func (l *link) query(ctx context.Context, sql string, columns int, each func(row)) error {
	results := l.Exec(ctx, sql)
	n := 0
	for results.NextResult() {
		for r := results.ResultReader(); r.NextRow(); n++ {
			values := r.Values()
			if len(values) != columns {
				return errors.Join(errShape, results.Close())
			}
			if n < maxRows {
				each(values)
			}
		}
	}
	err := results.Close()
	if err == nil && n > maxRows {
		err = fmt.Errorf("%d rows; only the first %d are looked at", n, maxRows)
	}
	return err
}

var errShape = errors.New("the answer has other columns than were asked for; is this a PostgreSQL server?")
