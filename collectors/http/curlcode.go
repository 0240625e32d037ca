package probe

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

var (
	errRedirects = fmt.Errorf("more than %d redirects", maxRedirects)
	errTime      = errors.New("no whole answer in time")
)

// curlCode is what curl would exit with: 22, which is curl --fail, where the
// status is not as expected.
func curlCode(r *Result, err error) int {
	var op *net.OpError
	switch {
	case err == nil || r.Answered:
		if r.failed("status") {
			return 22
		}
		return 0
	case errors.Is(err, errTime):
		return 28
	case errors.As(err, new(*net.DNSError)):
		return 6
	case errors.Is(err, errRedirects):
		return 47
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return 60
	case errors.As(err, new(tls.RecordHeaderError)), errors.As(err, new(tls.AlertError)):
		return 35
	case errors.As(err, &op) && op.Op == "dial":
		return 7
	case errors.As(err, &op) && op.Op == "remote error": // in the handshake
		return 35
	case errors.Is(err, io.ErrUnexpectedEOF) && r.Status != 0:
		return 18
	case errors.Is(err, io.EOF) && r.Status == 0:
		return 52
	}
	return 56
}
