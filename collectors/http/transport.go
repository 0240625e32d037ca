package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
)

// Connections are what was connected to. All is empty for a unix socket.
type Connections struct {
	Made          int
	Local, Remote netip.AddrPort // of the last one; the proxy's where there is one
	Tried         netip.Addr     // the last address that was tried
	ProxyStatus   int            // that the proxy answered CONNECT with; 0 without
}

// dials collects Connections. Dials that are late change nothing.
type dials struct {
	mu     sync.Mutex
	sealed bool
	Connections
}

// control is called for each address before it is connected to.
func (d *dials) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a, err := netip.ParseAddrPort(address); err == nil && !d.sealed {
		d.Tried = a.Addr().Unmap()
	}
	return nil
}

func (d *dials) made(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sealed {
		return
	}
	d.Made++
	d.Local, d.Remote = addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
	if d.Remote.IsValid() {
		d.Tried = d.Remote.Addr()
	}
}

func (d *dials) answered(status int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.sealed {
		d.ProxyStatus = status
	}
}

func (d *dials) seal() Connections {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sealed = true
	return d.Connections
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// transport makes connections that end when ctx is done, whatever they are in.
func (s *Sampler) transport(ctx context.Context, d *dials) *http.Transport {
	t := &http.Transport{
		Protocols:              s.protocols(),
		DisableCompression:     true, // curl does not ask for it either
		MaxResponseHeaderBytes: maxHeader,
		TLSClientConfig:        s.tls.Clone(),
	}
	if s.proxy != nil {
		t.Proxy = http.ProxyURL(s.proxy)
		t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
			d.answered(resp.StatusCode)
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("the proxy %s refuses: %s", proxy, clean(shorten(resp.Status, 100)))
			}
			return nil
		}
	}
	// The transport lets a dial, and its handshake, go on when their request is
	// over, for the sake of later requests. Here there are none.
	t.DialContext = func(dialing context.Context, network, address string) (net.Conn, error) {
		dialing, cancel := context.WithCancel(dialing)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		network += s.ip // tcp4, tcp6
		if s.unix != "" {
			network, address = "unix", s.unix
		}
		dialer := &net.Dialer{ControlContext: d.control}
		conn, err := dialer.DialContext(dialing, network, address)
		if err == nil {
			d.made(conn)
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}
	return t
}

// protocols are what may be spoken.
func (s *Sampler) protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(s.version != "2")
	p.SetHTTP2(s.version != "1.1")
	p.SetUnencryptedHTTP2(s.version == "2") // without TLS it has to be known beforehand
	return p
}

// plainer adds to an error of the transport what it most likely means.
func (s *Sampler) plainer(err error) error {
	var op *net.OpError
	switch text := err.Error(); {
	case errors.As(err, new(tls.RecordHeaderError)):
		return fmt.Errorf("%w: the server does not speak TLS; should the URL begin with http:// ?", err)
	case s.version == "2" && (strings.Contains(text, "no application protocol") || strings.Contains(text, "HTTP/1.1 header") ||
		strings.Contains(text, "http2: client conn could not be established")): // which of the two depends on who is quicker
		return fmt.Errorf("%w: the server does not speak HTTP/2; leave http_version out", err)
	case errors.As(err, &op) && (op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks")):
		return fmt.Errorf("the proxy %s: %w", s.proxy, op.Err)
	case s.ip != "" && strings.Contains(text, "no suitable address"):
		return fmt.Errorf("%w: the server has no IPv%s", err, s.ip)
	}
	return err
}
