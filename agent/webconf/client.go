package webconf

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
)

// Transport is for a client on this machine: it trusts the server's own
// certificate, whatever names are in it, and no other. It uses no proxy.
func (s Server) Transport() *http.Transport {
	t := &http.Transport{DisableKeepAlives: true}
	if s.TLS {
		t.TLSClientConfig = &tls.Config{
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: true, // #nosec G402 -- verified below, against the one certificate
			VerifyConnection:   s.verify,
		}
	}
	return t
}

func (s Server) verify(state tls.ConnectionState) error {
	c, err := parse(s.File) // this user may not be one who may read the key
	if err != nil {
		return err
	}
	text := []byte(c.TLSConfig.TLSCert)
	if c.TLSConfig.TLSCertPath != "" {
		c.TLSConfig.SetDirectory(filepath.Dir(s.File))
		if text, err = os.ReadFile(c.TLSConfig.TLSCertPath); err != nil {
			return err
		}
	}
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		switch {
		case block == nil:
			return fmt.Errorf("no certificate in what %s names", s.File)
		case block.Type != "CERTIFICATE":
			continue
		case len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes):
			return fmt.Errorf("this is not the certificate that %s names", s.File)
		}
		return nil
	}
}

// Alive asks the server at url, from this machine, whether it is alive. That it
// wants a password or a certificate, or has been asked too often, is an answer
// too: a client cannot know a password of which the file has a hash.
func (s Server) Alive(ctx context.Context, url string) error {
	t := s.Transport()
	var asked atomic.Bool
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked.Store(true) // by the server that was verified
			return new(tls.Certificate), nil
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	var op *net.OpError
	switch {
	case err != nil && s.ClientCerts && asked.Load() && errors.As(err, &op) && op.Op == "remote error":
		return nil
	case err != nil:
		return fmt.Errorf("the agent does not answer: %w", err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusTooManyRequests:
		if s.File != "" {
			return nil
		}
	}
	return fmt.Errorf("the agent answers %s", res.Status)
}
