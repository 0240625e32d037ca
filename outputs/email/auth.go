package email

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail/smtp"
)

const authAuto = "auto"

// authNames are what auth may be: in place of auto, one of the mechanisms.
var authNames = []string{authAuto, "plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"}

// preferred are the mechanisms that auto takes, best first. The connection is
// encrypted or does not leave the machine, so PLAIN gives nothing away. It
// stands before CRAM-MD5, which servers offer that cannot do it, for want of
// the password itself.
var preferred = []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5"}

// mechanism is the one to use of those that the server offers, "" where it
// offers none that will do.
func mechanism(auth, offered string, secure bool) string {
	has := strings.Fields(strings.ToUpper(offered))
	if auth != authAuto {
		if want := strings.ToUpper(auth); slices.Contains(has, want) {
			return want
		}
		return ""
	}
	for _, m := range preferred {
		if slices.Contains(has, m) && (secure || !strings.HasSuffix(m, "-PLUS")) {
			return m
		}
	}
	return ""
}

// authFor is the client's side of a mechanism; state is nil without TLS.
func authFor(mechanism, host, user, password string, state *tls.ConnectionState) smtp.Auth {
	// Whether a password may be sent was decided before.
	const anyway = true
	switch mechanism {
	case "SCRAM-SHA-256-PLUS":
		return boundedAuth{smtp.ScramSHA256PlusAuth(user, password, state)}
	case "SCRAM-SHA-256":
		return boundedAuth{smtp.ScramSHA256Auth(user, password)}
	case "SCRAM-SHA-1-PLUS":
		return boundedAuth{smtp.ScramSHA1PlusAuth(user, password, state)}
	case "SCRAM-SHA-1":
		return boundedAuth{smtp.ScramSHA1Auth(user, password)}
	case "CRAM-MD5":
		return smtp.CRAMMD5Auth(user, password)
	case "LOGIN":
		return smtp.LoginAuth(user, password, host, anyway)
	}
	return smtp.PlainAuth("", user, password, host, anyway)
}

// maxIterations is what a server may ask a SCRAM client to compute: some tenths
// of a second. No timeout would end more than that.
const maxIterations = 1_000_000

type boundedAuth struct{ smtp.Auth }

func (a boundedAuth) Next(fromServer []byte, more bool) ([]byte, error) {
	if _, i, ok := bytes.Cut(fromServer, []byte(",i=")); ok && more {
		i, _, _ = bytes.Cut(i, []byte(","))
		if n, err := strconv.Atoi(string(i)); err != nil || n < 1 || n > maxIterations {
			return nil, fmt.Errorf("the server wants %.20q iterations", i)
		}
	}
	return a.Auth.Next(fromServer, more)
}
