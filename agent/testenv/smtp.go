package testenv

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

//go:embed smtp.conf
var eximConf string

// The user of exim in Debian's packages: it drops root, and delivers as.
const eximUser = "Debian-exim"

// An SMTPServer is a mail server of the test's own, an Exim. It has STARTTLS on
// one port and TLS from the start on the other, takes mail only after a login,
// offers PLAIN, LOGIN and CRAM-MD5 for it, and keeps what it takes. Of the
// recipients, reject@ is answered with 550, full@ with 552, tempfail@ with 451,
// at any domain.
type SMTPServer struct {
	Addr     string // host:port with STARTTLS, the same after each Start
	TLSAddr  string // host:port with TLS from the start, likewise
	CAFile   string // PEM: what the server's certificate, for 127.0.0.1 and localhost, is signed by
	Username string
	Password string

	t      testing.TB
	dir    string
	server *process // nil while it is stopped
}

// SMTP starts a mail server.
func SMTP(t testing.TB) *SMTPServer {
	t.Helper()
	_, err := lookServer("exim4")
	Need(t, "Exim (exim4-daemon-light)", err == nil)
	Need(t, "root, for Exim", os.Geteuid() == 0)
	s := &SMTPServer{Addr: Addr(t), TLSAddr: Addr(t), Username: "agent", Password: "s3cret-of-testenv", t: t, dir: stateDir(t, "smtp")}
	s.CAFile = filepath.Join(s.dir, "tls", "ca.pem")
	if err := s.prepare(); err != nil {
		t.Fatalf("testenv: exim: %v", err)
	}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// prepare writes the configuration and the folders, those that exim writes to
// as its user's.
func (s *SMTPServer) prepare() error {
	u, err := user.Lookup(eximUser)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	for _, name := range []string{"tls", "spool", "log", "mail"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			return err
		}
	}
	if err := makeCertificates(filepath.Join(s.dir, "tls")); err != nil {
		return err
	}
	for _, name := range []string{"spool", "log", "mail", "tls/server.key", "tls/server.pem"} {
		if err := os.Chown(filepath.Join(s.dir, name), uid, -1); err != nil {
			return err
		}
	}
	_, tlsPort, _ := net.SplitHostPort(s.TLSAddr)
	conf := strings.NewReplacer(
		"@DIR@", s.dir, "@USER@", eximUser, "@LOGIN@", s.Username, "@PASSWORD@", s.Password,
		"@ADDR@", strings.ReplaceAll(s.Addr, ":", "."), "@TLSADDR@", strings.ReplaceAll(s.TLSAddr, ":", "."), "@TLSPORT@", tlsPort,
	).Replace(eximConf)
	return os.WriteFile(filepath.Join(s.dir, "exim.conf"), []byte(conf), 0o644)
}

// Start starts the server again, with the mail that it had.
func (s *SMTPServer) Start() {
	s.t.Helper()
	if s.server != nil {
		s.t.Fatal("testenv: exim is running")
	}
	path, err := lookServer("exim4")
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	// Mail is delivered as it comes in; what a stop kept from that, by the queue
	// run that is made at the start.
	p, err := start(filepath.Join(s.dir, "exim.out"), exec.Command(path, "-C", filepath.Join(s.dir, "exim.conf"), "-bdf", "-q1m"))
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	// It listens on TLSAddr first. Connections to that one that come to nothing
	// it punishes by waiting.
	if err := p.ready(func() error { return answers(s.Addr) }); err != nil {
		p.kill()
		s.t.Fatalf("testenv: %v\n%s", err, s.Log())
	}
	s.server = p
}

// answers reports whether somebody takes connections there.
func answers(addr string) error {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	return c.Close()
}

// Stop ends the server. What it is delivering it delivers; sessions that go on
// for longer than that are cut.
func (s *SMTPServer) Stop() {
	s.t.Helper()
	if s.server == nil {
		return
	}
	if err := s.server.stop(); err != nil {
		s.t.Errorf("testenv: %v", err)
	}
	// Each session and delivery is a process of its own, of the daemon's group.
	group := s.server.cmd.Process.Pid
	err := await(10*time.Second, func() error {
		if groupLives(group) {
			return errors.New("a session goes on")
		}
		return nil
	})
	if err != nil {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
	s.server = nil
}

// Defer says whether every recipient is answered with 451 from now on.
func (s *SMTPServer) Defer(on bool) {
	s.t.Helper()
	path := filepath.Join(s.dir, "defer")
	err := os.Remove(path)
	if on {
		err = os.WriteFile(path, nil, 0o644)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatalf("testenv: %v", err)
	}
}

// groupLives reports whether the process group has a process that has not ended.
// Those that have may stay in it until whoever inherited them takes note.
func groupLives(group int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// pid (name) state parent group ...; a name may have spaces and brackets.
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) > 2 && f[2] == strconv.Itoa(group) && f[0] != "Z" && f[0] != "X" {
			return true
		}
	}
	return false
}

// Log is what the server says of the mail that it had.
func (s *SMTPServer) Log() string {
	var all []byte
	for _, name := range []string{"mainlog", "rejectlog", "paniclog"} {
		b, _ := os.ReadFile(filepath.Join(s.dir, "log", name))
		all = append(all, b...)
	}
	return string(all)
}

// A Mail is one that a mailbox has, as a mail reader shows it.
type Mail struct {
	To     []string // whom the server had it for
	Header mail.Header
	Text   string // the part text/plain, with \n
	HTML   string // the part text/html, likewise
	Raw    []byte
}

// Subject is the decoded subject.
func (m *Mail) Subject() string {
	s, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return m.Header.Get("Subject")
	}
	return s
}

// Mails returns what was delivered, in the order in which it came. A mail is
// there once, however many recipients it has.
func (s *SMTPServer) Mails() []*Mail {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "mail", "new", "*"))
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	came := func(name string) time.Time {
		info, err := os.Stat(name)
		if err != nil {
			s.t.Fatalf("testenv: %v", err)
		}
		return info.ModTime()
	}
	slices.SortFunc(files, func(a, b string) int { return came(a).Compare(came(b)) })
	var all []*Mail
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatalf("testenv: %v", err)
		}
		m, err := parseMail(raw)
		if err != nil {
			s.t.Fatalf("testenv: the server took what is no mail: %v\n%s", err, raw)
		}
		all = append(all, m)
	}
	return all
}

// Await waits until n mails are there and returns them.
func (s *SMTPServer) Await(n int, timeout time.Duration) []*Mail {
	s.t.Helper()
	var all []*Mail
	err := await(timeout, func() error {
		if all = s.Mails(); len(all) < n {
			return fmt.Errorf("%d of %d mails came", len(all), n)
		}
		return nil
	})
	if err != nil {
		s.t.Fatalf("testenv: %v within %s\n%s", err, timeout, s.Log())
	}
	return all
}

func parseMail(raw []byte) (*Mail, error) {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	m := &Mail{Header: msg.Header, Raw: raw}
	for _, to := range strings.Split(msg.Header.Get("Envelope-To"), ",") {
		m.To = append(m.To, strings.TrimSpace(to))
	}
	return m, m.parts(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body)
}

// parts keeps what a reader shows of a body.
func (m *Mail) parts(contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("content type %q: %w", contentType, err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		r := multipart.NewReader(bufio.NewReader(body), params["boundary"])
		for {
			part, err := r.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := m.parts(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part); err != nil {
				return err
			}
		}
	}
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(b), "\r\n", "\n")
	switch kind {
	case "text/plain":
		m.Text = text
	case "text/html":
		m.HTML = text
	}
	return nil
}
