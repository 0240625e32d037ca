// Package prometheus serves the agent's metrics to Prometheus.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/server"
	"github.com/webgrip/logkeel/agent/webconf"
)

// Config is where Prometheus gets the agent's metrics.
type Config struct {
	// address to serve metrics at, as host:port; other machines reach it only where it is
	// not a loopback address
	Listen     string `yaml:"listen"`
	MaxSeries  int    `yaml:"max_series"`  // most series of one metric, 100 or more; the rest is added up in one
	StatusPage bool   `yaml:"status_page"` // shows people how the agent does, as a page at /

	// says that it is meant that others reach listen without a password, as in a container,
	// so that check does not remark on it
	Reachable bool `yaml:"open"`

	WebConfigFile string `yaml:"web_config_file"` // web configuration file as Prometheus exporters have it: TLS and users

	web webconf.Server
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Listen: "127.0.0.1:9765", MaxSeries: 10_000, StatusPage: true}
}

// Check says what is wrong with the section at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || port == "" {
		errs = append(errs, d.Errorf(path+".listen", "write it as 127.0.0.1:9765", "%q is no host:port", c.Listen))
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		errs = append(errs, d.Errorf(path+".listen", "write a number from 0 to 65535", "%q is no port", port))
	}
	if c.MaxSeries < 100 {
		errs = append(errs, d.Errorf(path+".max_series", "write 100 or more", "%d is too few", c.MaxSeries))
	}
	var err error
	if c.web, err = webconf.Check(d, path+".web_config_file", c.WebConfigFile); err != nil {
		errs = append(errs, err)
	}
	return conf.Join(errs...)
}

// Web is what the web configuration said when it was checked.
func (c *Config) Web() webconf.Server { return c.web }

// Open reports whether anybody who reaches the address from another machine may
// read the metrics.
func (c *Config) Open() bool { return !c.web.Closed() && !server.Loopback(c.Listen) }

// MeterFunc yields every sample there is.
type MeterFunc func(yield func(agent.Sample))

// An Output is the HTTP server.
type Output struct {
	c       Config
	log     *slog.Logger
	handler http.Handler

	mu   sync.Mutex
	addr string
}

var _ agent.Output = (*Output)(nil)

// New returns the server; Run starts it.
func New(c Config, meter MeterFunc, page http.Handler, log *slog.Logger) *Output {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		&bridge{meter: meter, max: c.MaxSeries, descs: map[string]*prometheus.Desc{}},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		promhttp.HandlerFor(reg, promhttp.HandlerOpts{
			ErrorLog:      &errorLog{log: log},
			ErrorHandling: promhttp.ContinueOnError, DisableCompression: true,
		}).ServeHTTP(w, r)
	})))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "logkeel is healthy.") })
	if c.StatusPage && page != nil {
		mux.Handle("GET /{$}", page)
		mux.Handle("GET /hour.json", page)
	}
	return &Output{c: c, log: log, handler: mux}
}

// An errorLog is that of one scrape. It says one error, for a page has an error a
// metric where it has any, and none of a scraper that went away.
type errorLog struct {
	log  *slog.Logger
	said bool
}

func (l *errorLog) Println(v ...any) {
	for _, part := range v {
		var gone net.Error
		if err, ok := part.(error); ok && errors.As(err, &gone) {
			return
		}
	}
	if !l.said {
		l.said = true
		l.log.Warn("metrics are incomplete", "error", fmt.Sprint(v...))
	}
}

// Name is the output's name.
func (o *Output) Name() string { return "prometheus" }

// Addr is the address that is listened on; empty before Run.
func (o *Output) Addr() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.addr
}

// Run serves until ctx is done.
func (o *Output) Run(ctx context.Context) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.c.Listen)
	if err != nil {
		return fmt.Errorf("outputs.prometheus.listen: %w; free the port or choose another", err)
	}
	o.mu.Lock()
	o.addr = ln.Addr().String()
	o.mu.Unlock()
	o.log.Info("metrics are served", "url", o.c.web.Scheme()+"://"+o.Addr()+"/metrics")
	srv := &http.Server{Handler: o.handler, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	done := make(chan error, 1)
	go func() { done <- o.c.web.Serve(ln, srv, o.log) }()
	select {
	case err = <-done:
		return fmt.Errorf("outputs.prometheus: %w", err)
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(closing); err != nil {
		srv.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
