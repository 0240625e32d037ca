// Package tlsconf is the section tls of whatever connects to a server, or is one.
package tlsconf

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"github.com/webgrip/logkeel/agent/conf"
)

// Config secures a connection. The server's certificate is verified. A nil
// Config is a connection without TLS.
type Config struct {
	CAFile             string `yaml:"ca_file"`              // PEM file of the authorities that may sign the server's certificate, in place of the system's
	CertFile           string `yaml:"cert_file"`            // PEM file of the agent's own certificate, with its chain, where the server asks for one
	KeyFile            string `yaml:"key_file"`             // PEM file of the private key that belongs to cert_file
	ServerName         string `yaml:"server_name"`          // name that the server's certificate has to have, where it is not the host of the address
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"` // takes any certificate, so that anybody may pose as the server: for tests only

	sum sum
}

// A sum is of the files as they were when the section was read: with other
// certificates it is another section.
type sum [sha256.Size]byte

func sumOf(files ...string) (s sum) {
	h := sha256.New()
	for _, name := range files {
		if name == "" {
			continue
		}
		b, _ := os.ReadFile(name) // that it cannot be read is said by who needs it
		part := sha256.Sum256(b)
		h.Write(part[:])
	}
	h.Sum(s[:0])
	return s
}

// Check says what is wrong with the section at path, and has relative names of
// files start from the folder of d. host is the server's, or
// "" where it is reached by a unix socket.
func (c *Config) Check(d *conf.Doc, path, host string) error {
	if c == nil {
		return nil
	}
	for _, name := range []*string{&c.CAFile, &c.CertFile, &c.KeyFile} {
		*name = d.Path(*name)
	}
	c.sum = sumOf(c.CAFile, c.CertFile, c.KeyFile)
	var errs []error
	if _, err := c.Client(host); err != nil {
		errs = append(errs, d.Errorf(path, "name PEM files that this user can read", "%w", err))
	}
	if host == "" && c.ServerName == "" && !c.InsecureSkipVerify {
		errs = append(errs, d.Errorf(path, "set server_name to the name in the server's certificate", "a unix socket has no host name to verify"))
	}
	return conf.Join(errs...)
}

// Client is the configuration for a connection to host; nil for a nil Config.
func (c *Config) Client(host string) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	t := &tls.Config{ServerName: host, InsecureSkipVerify: c.InsecureSkipVerify, MinVersion: tls.VersionTLS12}
	if c.ServerName != "" {
		t.ServerName = c.ServerName
	}
	if c.CAFile != "" {
		var err error
		if t.RootCAs, err = authorities(c.CAFile); err != nil {
			return nil, err
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, errors.New("cert_file and key_file belong together")
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
