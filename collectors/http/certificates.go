package probe

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"
)

// Certificates are what a server has shown, and what was thought of it.
type Certificates struct {
	CertExpiry time.Time // of the first to expire of those shown; also of one that was refused
	// ChainExpiry is when the last of the verified chains expires, which it does
	// with its first certificate. Zero where none was verified.
	ChainExpiry time.Time
	// Verify is OpenSSL's number for what is wrong with the chain, as curl prints
	// ssl_verify_result: 0 where nothing is. A name that does not match is no
	// matter of the chain.
	Verify     int
	Leaf       *x509.Certificate // nil without TLS
	TLSVersion uint16
	Cipher     uint16
}

// OpenSSL's numbers.
const (
	notYetValid      = 9
	hasExpired       = 10
	selfSigned       = 18
	selfSignedChain  = 19
	noIssuer         = 20
	otherwiseInvalid = 1
)

func (c *Certificates) refused(by *tls.CertificateVerificationError) {
	*c = Certificates{CertExpiry: earliest(by.UnverifiedCertificates), Verify: verifyCode(by.Err, by.UnverifiedCertificates, time.Now())}
	if len(by.UnverifiedCertificates) > 0 {
		c.Leaf = by.UnverifiedCertificates[0]
	}
}

func (c *Certificates) accepted(state *tls.ConnectionState, config *tls.Config) {
	shown := state.PeerCertificates
	*c = Certificates{CertExpiry: earliest(shown), TLSVersion: state.Version, Cipher: state.CipherSuite}
	if len(shown) == 0 {
		return
	}
	c.Leaf = shown[0]
	for _, chain := range state.VerifiedChains {
		if t := earliest(chain); t.After(c.ChainExpiry) {
			c.ChainExpiry = t
		}
	}
	if config == nil || !config.InsecureSkipVerify {
		return
	}
	o := x509.VerifyOptions{Roots: config.RootCAs, Intermediates: x509.NewCertPool(), CurrentTime: time.Now()}
	for _, more := range shown[1:] {
		o.Intermediates.AddCert(more)
	}
	_, err := shown[0].Verify(o)
	c.Verify = verifyCode(err, shown, o.CurrentTime)
}

// verifyCode is OpenSSL's number for what x509 says of a chain.
func verifyCode(err error, chain []*x509.Certificate, now time.Time) int {
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil || errors.As(err, new(x509.HostnameError)):
		return 0
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if invalid.Cert != nil && now.Before(invalid.Cert.NotBefore) {
			return notYetValid
		}
		return hasExpired
	case errors.As(err, new(x509.UnknownAuthorityError)) && len(chain) > 0:
		last := chain[len(chain)-1]
		switch own := bytes.Equal(last.RawIssuer, last.RawSubject); {
		case own && len(chain) == 1:
			return selfSigned
		case own:
			return selfSignedChain
		}
		return noIssuer
	}
	return otherwiseInvalid
}

func earliest(chain []*x509.Certificate) (t time.Time) {
	for _, c := range chain {
		if t.IsZero() || c.NotAfter.Before(t) {
			t = c.NotAfter
		}
	}
	return t
}
