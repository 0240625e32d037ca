package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

// DiagnoseURL says whether a server that is asked for a URL can be reached, as far as
// that can be told without asking: it connects, and secures the connection, to the
// server or the proxy of the environment. of are the settings of TLS.
func DiagnoseURL(ctx context.Context, u *url.URL, of *tls.Config, timeout time.Duration) Diagnosis {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	at, to := u, ""
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
		at, to = proxy, ", the proxy of the environment,"
	}
	host := at.Host
	d := Diagnosis{Health: Failed, Cause: "no_connection", What: host + to + " cannot be reached"}
	port := at.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080"}[at.Scheme]
	}
	begun := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(at.Hostname(), port))
	if err != nil {
		d.Why, d.Do = err.Error(), "compare the URL with where the service is, and look at DNS, firewall and proxy (HTTPS_PROXY)"
		var dns *net.DNSError
		if errors.As(err, &dns) {
			d.Cause, d.Do = "no_such_name", "is the name right, and does this machine have a name server (/etc/resolv.conf)?"
		}
		return d
	}
	defer conn.Close()
	if at.Scheme == "https" {
		c := of.Clone()
		if c == nil {
			c = &tls.Config{}
		}
		if c.ServerName == "" {
			c.ServerName = at.Hostname()
		}
		if err := tls.Client(conn, c).HandshakeContext(ctx); err != nil {
			d.Cause, d.What, d.Why = "tls", host+to+" cannot be trusted, or speaks no TLS", err.Error()
			d.Do = "name the authority of its certificate in tls.ca_file, or write http:// where it has no TLS"
			return d
		}
	}
	return Diagnosis{What: host + to + " can be reached, in " + round(time.Since(begun)).String() + "; nothing was sent"}
}
