package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/collectors"
	probe "github.com/webgrip/logkeel/collectors/http"
)

// errSilent fails without a word.
var errSilent = errors.New("")

func probeCommand(config *string) *cobra.Command {
	var o probeOptions
	c := &cobra.Command{
		Use:   "probe URL|NAME",
		Short: "Time one request as curl -w does, or try an item of collectors.http",
		Long: `Probe asks a URL once, over a new connection, and prints on standard output what

  curl -w "@curl-format.txt" -o /dev/null -s URL

prints for the usual format: the points in time, in seconds since the start. What
else is known of the answer goes to standard error. The flags are those of curl
and mean the same; no redirect is followed without -L, no proxy of the environment
is used, and nothing of .curlrc.

--write-out takes %{time_*}, %{http_code}, %{http_version}, %{content_type},
%{size_download}, %{speed_download}, %{num_redirects}, %{num_connects},
%{num_headers}, %{redirect_url}, %{url}, %{url_effective}, %{method}, %{scheme},
%{remote_ip}, %{remote_port}, %{local_ip}, %{local_port}, %{ssl_verify_result},
%{errormsg}, %{exitcode} (curl's), %{onerror}, %{stdout}, %{stderr}, %{json},
%{header_json} and %header{NAME}; \n, \r, \t and %%.

NAME is that of an item of collectors.http in the configuration. It is asked as the
agent does, and each thing that is expected of its answer is listed: holds, or no
and why.

The exit code is 1 where there is no whole answer, where an item is not as
expected, or, with --fail, where the status is 400 or more.`,
		Example: `  logkeel probe http://localhost:8080/
  logkeel probe -s -w '%{http_code} %{time_total}\n' http://localhost:8080/health
  logkeel probe -w @curl-format.txt -L https://shop.example/
  logkeel probe --unix-socket /run/app.sock http://localhost/health
  logkeel probe health                 # name: health of collectors.http`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("it takes one URL, or the name of an item of collectors.http; see %s --help", c.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.in, o.out, o.err = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			now, end := working(cmd, o.silent)
			defer end()
			now("waiting for an answer of %s", hidden(args[0]))
			err := o.run(cmd.Context(), cmd, *config, args[0])
			if err != nil && o.silent && !o.showError && !errors.As(err, new(usageError)) {
				return errSilent
			}
			return err
		},
	}
	o.flags(c)
	return c
}

// hidden is the URL without a password.
func hidden(where string) string {
	if u, err := url.Parse(where); err == nil {
		return u.Redacted()
	}
	return "it"
}

type probeOptions struct {
	format, output            string
	headers                   []string
	method, caCert, cert, key string
	unix, proxy, maxTime      string
	silent, showError         bool
	insecure, location, fail  bool
	ipv4, ipv6                bool
	http1, http2, prior, head bool

	in       io.Reader
	out, err io.Writer
}

// ofURL are the flags that do not go with a NAME, of which the configuration
// says all.
var ofURL = []string{
	"header", "request", "head", "location", "fail", "max-time", "unix-socket", "proxy", "insecure", "cacert", "cert", "key",
	"ipv4", "ipv6", "http1.1", "http2", "http2-prior-knowledge",
}

func (o *probeOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&o.format, "write-out", "w", "", "print this format and nothing else; @FILE reads it from a file, @- from standard input")
	f.BoolVarP(&o.silent, "silent", "s", false, "nothing on standard error")
	f.BoolVarP(&o.showError, "show-error", "S", false, "with --silent: why it failed, all the same")
	f.StringVarP(&o.output, "output", "o", os.DevNull, "only "+os.DevNull+", where the answer goes in any case")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "'Name: value' to send; @FILE reads a line each; only to the URL's server")
	f.StringVarP(&o.method, "request", "X", "", "method (default GET)")
	f.BoolVarP(&o.head, "head", "I", false, "HEAD in place of GET")
	f.BoolVarP(&o.location, "location", "L", false, "follow redirects")
	f.BoolVarP(&o.fail, "fail", "f", false, "a status of 400 and more is a failure")
	f.StringVarP(&o.maxTime, "max-time", "m", "60", "seconds that it may take in all; 0 for no limit")
	f.StringVar(&o.unix, "unix-socket", "", "connect to this socket")
	f.StringVarP(&o.proxy, "proxy", "x", "", "http://, https:// or socks5:// and host:port")
	f.BoolVarP(&o.insecure, "insecure", "k", false, "do not verify the server's certificate")
	f.StringVar(&o.caCert, "cacert", "", "PEM file of authorities, in place of the system's")
	f.StringVarP(&o.cert, "cert", "E", "", "PEM file of a certificate to show")
	f.StringVar(&o.key, "key", "", "PEM file of its key")
	f.BoolVarP(&o.ipv4, "ipv4", "4", false, "only IPv4")
	f.BoolVarP(&o.ipv6, "ipv6", "6", false, "only IPv6")
	f.BoolVar(&o.http1, "http1.1", false, "only HTTP/1.1")
	f.BoolVar(&o.http2, "http2", false, "HTTP/2 over TLS where the server has it, as without")
	f.BoolVar(&o.prior, "http2-prior-knowledge", false, "only HTTP/2, also without TLS")
}

func (o *probeOptions) run(ctx context.Context, cmd *cobra.Command, config, what string) error {
	if o.output != os.DevNull {
		return usageError{fmt.Errorf("--output: the answer is not kept, so it can only be %s; curl -o keeps it", os.DevNull)}
	}
	format, err := o.readFormat()
	if err != nil {
		return usageError{err}
	}
	if !isURL(what) {
		if i := slices.IndexFunc(ofURL, cmd.Flags().Changed); i >= 0 {
			return usageError{fmt.Errorf("--%s goes with a URL, and %q is none; write it as http://%[2]s/. Of an item of collectors.http the configuration says all", ofURL[i], what)}
		}
		item, err := configured(config, what)
		if err != nil {
			return err
		}
		return o.probe(ctx, item, time.Duration(item.Timeout), format, true)
	}
	if err := exclusive(cmd); err != nil {
		return usageError{err}
	}
	item, limit, err := o.item(what)
	if err != nil {
		return usageError{err}
	}
	return o.probe(ctx, item, limit, format, false)
}

// exclusive says which two flags cannot both be given.
func exclusive(cmd *cobra.Command) error {
	for _, group := range [][]string{{"ipv4", "ipv6"}, {"http1.1", "http2", "http2-prior-knowledge"}, {"proxy", "unix-socket"}, {"head", "request"}} {
		var given []string
		for _, name := range group {
			if cmd.Flags().Changed(name) {
				given = append(given, "--"+name)
			}
		}
		if len(given) > 1 {
			return fmt.Errorf("%s do not go together; leave one out", strings.Join(given, " and "))
		}
	}
	return nil
}

// probe asks once. Of a URL the points in time are on standard output and all
// else is on standard error, so that the first is what curl prints; of an item
// all is on standard output.
func (o *probeOptions) probe(ctx context.Context, item *collectors.HTTP, limit time.Duration, format string, named bool) error {
	s, err := probe.New(item.Config)
	if err != nil {
		return usageError{err}
	}
	defer s.Close()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
		defer cancel()
	}
	r, failed := s.Probe(ctx)
	w := &probe.WriteOut{Result: r, Err: failed, URL: item.URL, Stdout: o.out, Stderr: o.err}
	if format != "" {
		if err := w.Write(format); err != nil {
			return err
		}
		return failed
	}
	if err := w.Write(probe.CurlFormat); err != nil {
		return err
	}
	more := o.err
	switch {
	case named:
		more = o.out
	case o.silent:
		more = io.Discard
	}
	describe(more, r)
	if named {
		writeChecks(more, r, styleOf(more))
	}
	if named && r.Answered && failed != nil { // which the list has said
		return fmt.Errorf("%s is not as expected", printable.Line(item.Name))
	}
	return failed
}

// describe says what else is known of the answer.
func describe(w io.Writer, r *probe.Result) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%20s:  %s\n", name, printable.Line(fmt.Sprintf(format, args...)))
	}
	if r.Status != 0 {
		line("status", "%d %s, HTTP/%s", r.Status, http.StatusText(r.Status), r.HTTPVersion())
		body := fmt.Sprintf("%d bytes", r.BodyLength)
		if kind := r.Header.Get("Content-Type"); kind != "" {
			body += ", " + kind
		}
		line("body", "%s", body)
	}
	if r.Remote.IsValid() {
		line("server", "%s", r.Remote)
	}
	if r.Redirects > 0 {
		line("redirects", "%d, the last one to %s", r.Redirects, r.URL)
	} else if r.RedirectTo != "" {
		line("redirects", "to %s, which -L follows", r.RedirectTo)
	}
	if r.TLSVersion != 0 {
		line("TLS", "%s, %s", tls.VersionName(r.TLSVersion), tls.CipherSuiteName(r.Cipher))
	}
	if r.Leaf != nil {
		line("certificate", "%s, by %s", r.Leaf.Subject, r.Leaf.Issuer)
		line("expires", "%s, %s", r.CertExpiry.UTC().Format("2006-01-02 15:04 MST"), until(time.Until(r.CertExpiry)))
	}
}

func until(d time.Duration) string {
	switch days := int(d.Abs().Hours()) / 24; {
	case d < 0:
		return fmt.Sprintf("%s ago", plural(days, "day"))
	default:
		return fmt.Sprintf("in %s", plural(days, "day"))
	}
}

// writeChecks says of each thing that was expected whether it is so.
func writeChecks(w io.Writer, r *probe.Result, s style) {
	if len(r.Values) > 0 {
		fmt.Fprintln(w)
	}
	for _, v := range r.Values {
		fmt.Fprintf(w, "%20s:  %s\n", printable.Line(v.Path), strconv.FormatFloat(v.Value, 'f', -1, 64))
	}
	if len(r.Checks) > 0 {
		fmt.Fprintln(w)
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		word := s.good("holds")
		if c.Text != "" {
			word = s.bad("no   ")
		}
		fmt.Fprintf(w, "  %s  %s %s\n", word, c.Kind, printable.Line(c.What))
		if c.Text != "" {
			fmt.Fprintf(w, "         %s\n", printable.Line(c.Text))
		}
	}
}
