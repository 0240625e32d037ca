package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/webgrip/logkeel/agent/conf"
)

// Server secures a listener. A nil Server is one without TLS.
type Server struct {
	CertFile string `yaml:"cert_file"` // PEM file of the listener's certificate, with its chain; needed
	KeyFile  string `yaml:"key_file"`  // PEM file of the private key that belongs to cert_file; needed
	// PEM file of the authorities that sign clients' certificates: each client then needs
	// one; empty: none does
	CAFile string `yaml:"ca_file"`

	sum sum
}

// Check says what is wrong with the section at path, and has relative names of
// files start from the folder of d.
func (s *Server) Check(d *conf.Doc, path string) error {
	if s == nil {
		return nil
	}
	for _, name := range []*string{&s.CertFile, &s.KeyFile, &s.CAFile} {
		*name = d.Path(*name)
	}
	s.sum = sumOf(s.CertFile, s.KeyFile, s.CAFile)
	if _, err := s.Config(); err != nil {
		return d.Errorf(path, "name PEM files that this user can read", "%w", err)
	}
	return nil
}

// Config is the configuration of a listener; nil for a nil Server.
func (s *Server) Config() (*tls.Config, error) {
	if s == nil {
		return nil, nil
	}
	if s.CertFile == "" || s.KeyFile == "" {
		return nil, errors.New("a server needs cert_file and key_file")
	}
	pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("cert_file: %w", err)
	}
	t := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		if t.ClientCAs, err = authorities(s.CAFile); err != nil {
			return nil, err
		}
		t.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return t, nil
}

func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: no certificate in %s", file)
	}
	return pool, nil
}
