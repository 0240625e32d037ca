package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// swallow is a server that takes all and answers nothing.
func swallow(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(io.Discard, c) }()
		}
	}()
	return ln.Addr().String()
}

func TestDoctorOfFluentd(t *testing.T) {
	t.Parallel()
	plain := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	keyed := testenv.ForwardReceiver(t, testenv.ForwardOptions{SharedKey: "opensesame"})
	secure := testenv.ForwardReceiver(t, testenv.ForwardOptions{TLS: true})
	d := doctorOf(t, fmt.Sprintf(`
outputs:
  fluentd:
    - {name: well, address: %[1]q}
    - {name: key, address: %[2]q, shared_key: opensesame}
    - {name: wrongkey, address: %[2]q, shared_key: opensesam}
    - {name: nokey, address: %[2]q, ack_timeout: 2s}
    - {name: tls, address: %[3]q, tls: {ca_file: %[4]q}}
    - {name: notls, address: %[3]q, ack_timeout: 2s}
    - {name: authority, address: %[3]q, tls: {}}
    - {name: plain, address: %[1]q, tls: {ca_file: %[4]q}, connect_timeout: 2s}
    - {name: silent, address: %[5]q, ack_timeout: 1s}
    - {name: away, address: %[6]q}
    - {name: blind, address: %[1]q, ack: false}
`, plain.Addr, keyed.Addr, secure.Addr, secure.CAFile, swallow(t), testenv.Addr(t)), nil)
	d.ends(1)
	for _, well := range []string{"well", "key", "tls"} {
		d.has("fluentd/"+well, "", "acknowledges")
		d.only("fluentd/" + well)
	}
	d.has("fluentd/wrongkey", "fluentd_shared_key", "compare shared_key")
	d.has("fluentd/nokey", "fluentd_shared_key", "set shared_key")
	d.has("fluentd/notls", "fluentd_tls", "speaks TLS, and tls is not set", "ca_file")
	d.has("fluentd/authority", "fluentd_certificate", "tls.ca_file")
	d.has("fluentd/plain", "fluentd_tls", "leave tls out")
	d.has("fluentd/silent", "fluentd_no_ack", "acknowledges nothing", "ack_timeout (1s)", "<source> @type forward")
	d.has("fluentd/away", "fluentd_not_listening", "connection refused", "is it started")
	d.has("fluentd/blind", "fluentd_ack_off", "ack: true")
	for _, r := range []*testenv.Forward{plain, keyed, secure} {
		if n := r.Count(); n != 0 {
			t.Errorf("%d records were sent to %s", n, r.Addr)
		}
	}
	if strings.Contains(d.text, "opensesam") {
		t.Errorf("a secret is printed:\n%s", d.text)
	}
}

func TestDoctorOfMail(t *testing.T) {
	t.Parallel()
	srv := testenv.SMTP(t)
	bare := bareSMTP(t)
	item := func(name, addr, more string) string {
		return fmt.Sprintf("    - {name: %s, server: %q, from: logkeel@example.com, tls: {ca_file: %q}, timeout: 1m, %s}\n", name, addr, srv.CAFile, more)
	}
	login := fmt.Sprintf("username: %s, password: %s", srv.Username, srv.Password)
	config := "outputs:\n  email:\n" +
		item("well", srv.Addr, login+", to: ops@example.com") +
		item("password", srv.Addr, "username: agent, password: wrong-one, to: ops@example.com") +
		item("anonymous", srv.Addr, "to: ops@example.com") +
		item("refused", srv.Addr, login+", to: [reject@example.com, ops@example.com]") +
		item("later", srv.Addr, login+", to: tempfail@example.com") +
		item("starttls", bare, "to: ops@example.com") +
		fmt.Sprintf("    - {name: relay, server: %q, from: logkeel@example.com, security: none, to: ops@elsewhere.example}\n", bare) +
		item("away", testenv.Addr(t), "to: ops@example.com")
	d := doctorOf(t, config, nil)
	d.ends(1)
	d.has("email/well", "", "takes mail for 1 recipient", "none was sent")
	d.only("email/well")
	d.has("email/password", "smtp_login", "535", "compare username and password")
	d.has("email/anonymous", "smtp_recipient_refused", "authentication required", "set username and password")
	d.has("email/refused", "smtp_recipient_refused", "reject@example.com would get no mail", "no such user", "is the address right")
	d.has("email/later", "smtp_put_off", "tempfail@example.com is put off", "451", "in some minutes")
	d.has("email/refused", "", "takes mail for 1 recipient")
	d.has("email/starttls", "smtp_no_starttls", "offers no STARTTLS", "mostly 587")
	d.has("email/relay", "smtp_relay_denied", "relay access denied")
	d.has("email/away", "smtp_no_connection", "connection refused")
	if n := len(srv.Mails()); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
	for _, secret := range []string{srv.Password, "wrong-one"} {
		if strings.Contains(d.text, secret) {
			t.Errorf("a password is printed:\n%s", d.text)
		}
	}
	// With --send everybody whom the server takes mail for has one.
	d = doctorOf(t, config, nil, "--send", "email/well", "email/refused")
	d.has("email/refused", "test_refused", "no such user")
	for _, m := range srv.Await(2, waitLong) {
		if !strings.Contains(m.Subject(), "test") {
			t.Errorf("a mail %q", m.Subject())
		}
	}
}

// bareSMTP is a mail server without STARTTLS that relays for nobody.
func bareSMTP(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, "220 bare.example ESMTP\r\n")
				buf := make([]byte, 1024)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					answer := "250 ok"
					switch verb, _, _ := strings.Cut(string(buf[:n]), " "); strings.ToUpper(strings.TrimSpace(verb)) {
					case "EHLO":
						answer = "250-bare.example\r\n250 8BITMIME"
					case "RCPT":
						answer = "554 5.7.1 relay access denied"
					case "DATA":
						answer = "354 go on"
					}
					fmt.Fprint(c, answer+"\r\n")
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// The other outputs are reached and told nothing.
func TestDoctorOfOtherOutputs(t *testing.T) {
	t.Parallel()
	am := testenv.Alertmanager(t)
	taken := swallow(t)
	d := doctorOf(t, fmt.Sprintf(`
outputs:
  prometheus: {listen: %[1]q}
  alertmanager:
    - {name: am, urls: %[2]q}
    - {name: away, urls: "http://%[3]s"}
  webhook:
    - {name: hook, url: "http://%[1]s/secret-path"}
    - {name: nowhere, url: "https://no-such-host.invalid/secret-path"}
  heartbeat:
    - {name: hc, url: "http://%[3]s/secret-path"}
`, taken, am.URL, testenv.Addr(t)), nil)
	d.ends(1)
	d.has("prometheus", "address_in_use", "somebody else listens on "+taken, "ss -ltnp")
	d.has("alertmanager/am", "", "takes alerts; none was sent")
	d.has("alertmanager/away", "alertmanager_no_connection", "connection refused")
	d.has("webhook/hook", "", "can be reached", "nothing was sent")
	d.has("webhook/nowhere", "no_such_name", "no-such-host.invalid")
	d.has("heartbeat/hc", "no_connection", "connection refused")
	if strings.Contains(d.text, "secret-path") {
		t.Errorf("a secret is printed:\n%s", d.text)
	}
}
