package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// agentYAML has the folders and addresses of the stand-ins in the place of those
// that a real one would name.
const agentYAML = `# What "logkeel demo" runs. A real one names your own servers in the place of the
# stand-ins, and needs no more than this.
state_dir: state

collectors:
  docker:
    root: %[1]s
    host: unix:///no-engine.sock   # nobody listens there: names come from the files
  http:
    - name: shop
      url: %[2]s
      interval: 1s
      timeout: 900ms
      expect: {body: healthy}

rules:
  packs: [operations]
  files: [rules/*.yaml]

outputs:
  fluentd:
    - name: aggregator
      address: %[3]s
  prometheus:
    listen: %[4]s
  email:
    - name: operators
      server: %[5]s
      security: starttls
      tls: {ca_file: %[6]s}
      username: logkeel
      password_file: %[7]s
      from: logkeel@shop.example
      to: operators@shop.example
      min_severity: critical
      group_wait: 1s     # 30s, the default, makes fewer mails of more
`

const rulesYAML = `# Rules of the shop's own, beside those of the pack "operations".
groups:
  - name: shop
    rules:
      - name: PaymentDeclined
        class: error
        severity: critical
        match: 'payment declined'
        source: {service: app}
        summary: a customer's payment was declined
        runbook: Is it every bank or one? Ask the provider's status page.
      - name: FailedLogins
        class: security
        severity: critical
        match: 'failed login for .* from (?P<address>[0-9a-f.:]+)'
        threshold: 3                 # within the window, from one address
        window: 1m
        by: [address]
        summary: somebody is guessing passwords
        runbook: Block the address in front of the shop, and see whether it got in.
      - name: SlowRequest
        class: slow
        severity: warning
        match: 'rt=(?P<seconds>[0-9.]+)'
        where: 'seconds >= 2'
        source: {service: web}
        summary: the shop took two seconds or more to answer
      - name: InjectionAttempt
        class: security
        severity: warning
        match: '(?i)(union(%20|\+| )select|%27(%20|\+)or|<script)'
        source: {service: web}
        summary: somebody tries to inject SQL or a script
      - name: DatabaseDenied
        class: security
        severity: warning
        match: 'Access denied for user'
        source: {service: db}
        summary: the database refused somebody
      - name: PageDown
        class: availability
        severity: critical
        sample: probe_success
        source: {target: shop}
        equals: 0
        for: 1s
        summary: the shop's health page does not answer as it should
        runbook: See what the containers log, and whether the database is there.
`

// writeConfig writes what the agent is to read.
func (d *demo) writeConfig() error {
	if err := os.MkdirAll(filepath.Join(d.dir, "rules"), 0o700); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(d.dir, name) }
	written := func(name string) string { return quoted(in(name)) }
	d.config = in("agent.yaml")
	config := fmt.Sprintf(agentYAML, written("docker"), d.page.url, d.aggregator.addr, d.metrics, d.mailbox.addr, written("mail.pem"), written("mail.password"))
	for name, text := range map[string]string{
		d.config: config, in("rules/shop.yaml"): rulesYAML,
		in("mail.pem"): string(d.mailbox.certificate), in("mail.password"): d.mailbox.password + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// plainPath is what needs no quotes in YAML.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)

// quoted is a path as the configuration takes it, where a $ begins a variable.
func quoted(path string) string {
	if plainPath.MatchString(path) {
		return path
	}
	return strconv.Quote(strings.ReplaceAll(path, "$", "$$"))
}
