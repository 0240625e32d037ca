// Package webconf gives a server by HTTP what the web configuration file of
// Prometheus' exporters says: TLS, users with passwords, headers.
package webconf

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2" // the toolkit's, so that both read the same

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/server"
)

// A Server is what such a file said when it was read. The zero Server is without
// one: plain HTTP, for all.
type Server struct {
	File        string
	TLS         bool
	Users       bool // a password is asked for
	ClientCerts bool // a client needs a certificate
}

// Check reads the file that the field at path names. It is relative to the
// configuration's folder.
func Check(d *conf.Doc, path, name string) (Server, error) {
	if name == "" {
		return Server{}, nil
	}
	s, err := read(d.Path(name))
	if err != nil {
		return s, d.Errorf(path, "see https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md", "%w", err)
	}
	return s, nil
}

// read returns an error where the file, or one that it names, cannot be used; the
// Server says what could be read all the same.
func read(name string) (Server, error) {
	s := Server{File: name}
	c, err := parse(name)
	if err != nil {
		return s, err
	}
	s.TLS, s.Users = c.TLSConfig.IsEnabled(), len(c.Users) > 0
	switch c.TLSConfig.ClientAuth {
	case "RequireAnyClientCert", "RequireClientCert", "RequireAndVerifyClientCert":
		s.ClientCerts = true
	}
	err = web.Validate(name)
	switch {
	case err == nil:
		return s, nil
	case strings.Contains(err.Error(), "bcrypt"):
		return s, fmt.Errorf("%s: basic_auth_users: a password is not as htpasswd -nB writes it: %w", name, err)
	}
	return s, fmt.Errorf("%s: %w", name, err)
}

func parse(name string) (c web.Config, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return c, err
	}
	if err := yaml.UnmarshalStrict(b, &c); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// Scheme is http or https.
func (s Server) Scheme() string {
	if s.TLS {
		return "https"
	}
	return "http"
}

// Closed reports whether a client has to say who it is.
func (s Server) Closed() bool { return s.Users || s.ClientCerts }

// Audible reports whether passwords cross a network as they are.
func (s Server) Audible(listen string) bool { return s.Users && !s.TLS && !server.Loopback(listen) }

// Serve serves until srv is shut down, as the file says; what it says of
// certificates, users and headers is read again for each connection and request.
// It closes ln.
func (s Server) Serve(ln net.Listener, srv *http.Server, log *slog.Logger) error {
	if s.File == "" {
		return srv.Serve(ln)
	}
	defer ln.Close()
	w := &watch{Server: s, trouble: agent.NewTrouble(log), next: srv.Handler}
	srv.Handler = w
	srv.ErrorLog = stdlog.New(w, "", 0)
	return web.Serve(ln, srv, &web.FlagConfig{WebConfigFile: &s.File}, slog.New(said{w}))
}

// A watch says when the file can no longer be used. The toolkit then lets nobody
// in, and would say so at each try.
type watch struct {
	Server
	trouble *agent.Trouble
	next    http.Handler
}

// ServeHTTP is reached by who was let in.
func (w *watch) ServeHTTP(res http.ResponseWriter, req *http.Request) {
	w.trouble.Clear("the web configuration can be used again", "file", w.File)
	w.next.ServeHTTP(res, req)
}

// Write hears that a connection failed: by a client's fault, or by that of the file.
func (w *watch) Write(b []byte) (int, error) {
	w.look()
	return len(b), nil
}

func (w *watch) look() {
	now, err := read(w.File)
	if err == nil && w.TLS && !now.TLS {
		err = errors.New("tls_server_config is gone; reload the agent where that is meant")
	}
	if err != nil {
		w.trouble.Fail(err, "the web configuration cannot be used; nobody gets in until it is right", "file", w.File)
	}
}

// said is a log of which only that there are errors is heard.
type said struct{ *watch }

func (s said) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (s said) Handle(context.Context, slog.Record) error {
	s.look()
	return nil
}

func (s said) WithAttrs([]slog.Attr) slog.Handler { return s }

func (s said) WithGroup(string) slog.Handler { return s }
