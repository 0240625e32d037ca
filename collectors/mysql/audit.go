package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/webgrip/logkeel/agent"
)

// An auditor looks at tables and indexes now and then. It does so beside the
// snapshots, for an audit takes seconds and a check of a table minutes: in a
// goroutine, and with a connection, that last while something is due.
type auditor struct {
	c          Config
	connector  driver.Connector
	now        func() time.Time
	lockWait   time.Duration
	firstWait  time.Duration // before the first check that has an interval
	usageSince time.Duration

	mu     sync.Mutex
	cancel context.CancelFunc // of the work that goes on; nil while there is none
	done   chan struct{}      // closed when it has ended
	panics int                // of the driver
	tables job
	checks job
	found  []agent.Sample // the last audit's
	state  checkState

	// Of the goroutine alone.
	raw     net.Conn // the one that was dialled last
	results map[string]*schemaResult
	round   checkRound
}

// A job is one of the two things that an auditor does.
type job struct {
	due      time.Time
	recorded time.Time     // when that was whose records were made
	ended    time.Time     // the last time that it was done, in full or in part; zero: never
	took     time.Duration // then
	tries    int           // that failed in a row
	err      error         // of the last one
}

const firstRetry = time.Minute

// end notes how it went. What failed is tried again, later and later.
func (j *job) end(begun, now, next time.Time, err error) {
	j.err, j.took, j.due = err, now.Sub(begun), next
	if err == nil {
		j.tries = 0
		return
	}
	if retry := now.Add(firstRetry << min(j.tries, 16)); retry.Before(next) {
		j.due = retry
	}
	j.tries++
}

// newAuditor returns nil where nothing is to be audited. d is as for snapshots.
func newAuditor(c Config, d *mysql.Config) (*auditor, error) {
	if c.Tables == nil && c.TableCheck == nil {
		return nil, nil
	}
	a := &auditor{c: c, now: time.Now, lockWait: lockWait, firstWait: firstCheck, usageSince: usageSince}
	d.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		a.raw = conn
		return conn, err
	}
	d.ReadTimeout, d.WriteTimeout = 0, 0 // a context limits each statement
	connector, err := mysql.NewConnector(d)
	a.connector = connector
	return a, err
}

// sample yields what the last audit and checks found, and begins what is due. It
// is called while the server answers.
func (a *auditor) sample(out *page) error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	a.begin(now)
	var errs []error
	if t := a.c.Tables; t != nil {
		if now.Sub(a.tables.ended) < lasts(t) {
			for _, s := range a.found {
				out.yield(s)
			}
		}
		a.tables.write("tables", out)
		errs = append(errs, a.tables.err)
	}
	if a.c.TableCheck != nil {
		a.state.write(out)
		a.checks.write("check", out)
		errs = append(errs, a.checks.err)
	}
	return errors.Join(errs...)
}

// lasts is how long the results of an audit are told where newer ones cannot be
// had.
func lasts(t *Tables) time.Duration { return 3 * time.Duration(t.Interval) }

func (j *job) write(name string, out *page) {
	which := agent.Label{Name: "audit", Value: name}
	ok := 0.0
	if j.err == nil && !j.ended.IsZero() {
		ok = 1
	}
	out.gauge("logkeel_mysql_audit_ok", "Whether the last audit was done in full.", ok, which)
	if j.ended.IsZero() {
		return
	}
	out.gauge("logkeel_mysql_audit_timestamp_seconds", "When the last audit that has results ended.", float64(j.ended.UnixMilli())/1e3, which)
	out.gauge("logkeel_mysql_audit_duration_seconds", "How long it took.", j.took.Seconds(), which)
}

// begin starts the goroutine where something is due and it is not at work.
func (a *auditor) begin(now time.Time) {
	if a.checks.due.IsZero() && a.c.TableCheck != nil {
		a.checks.due = a.firstCheck(now)
	}
	if a.cancel != nil || a.panics >= maxPanics || !a.tablesDue(now) && !a.checksDue(now) {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel, a.done = cancel, make(chan struct{})
	go a.work(ctx)
}

func (a *auditor) tablesDue(now time.Time) bool {
	return a.c.Tables != nil && !now.Before(a.tables.due)
}

func (a *auditor) checksDue(now time.Time) bool {
	return a.c.TableCheck != nil && !now.Before(a.checks.due)
}

// close ends what is under way, and waits for it.
func (a *auditor) close() {
	if a == nil {
		return
	}
	a.mu.Lock()
	cancel, done := a.cancel, a.done
	a.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// work does what is due, one statement at a time, and ends.
func (a *auditor) work(ctx context.Context) {
	var s *auditConn
	defer func() {
		if r := recover(); r != nil { // as in Sample
			a.fail(fmt.Errorf("%s: the answer to an audit is not of the MySQL protocol (%v)", a.c.where(""), r))
			if a.raw != nil {
				a.raw.Close()
			}
			a.mu.Lock()
			a.panics++
			a.mu.Unlock()
		} else if s != nil {
			s.close()
			if s.stuck {
				a.kill(s.id)
			}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.cancel()
		a.cancel = nil
		close(a.done)
	}()
	s, err := a.open(ctx)
	if err != nil {
		a.fail(err)
		return
	}
	for ctx.Err() == nil && a.step(ctx, s) {
	}
}

// fail notes for all that is due that nothing can be asked.
func (a *auditor) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if a.tablesDue(now) {
		a.tables.end(now, now, now.Add(time.Duration(a.c.Tables.Interval)), err)
	}
	if a.checksDue(now) {
		a.checks.end(now, now, a.nextCheck(now), err)
	}
}

// step does one thing that is due: an audit, or the check of one table. It
// reports whether more may be asked.
func (a *auditor) step(ctx context.Context, s *auditConn) bool {
	a.mu.Lock()
	now := a.now()
	tables, checks := a.tablesDue(now), a.checksDue(now)
	a.mu.Unlock()
	switch {
	case tables:
		return a.audit(ctx, s)
	case a.round.left() > 0:
		return a.checkNext(ctx, s)
	case checks:
		return a.beginChecks(ctx, s)
	}
	return false
}
