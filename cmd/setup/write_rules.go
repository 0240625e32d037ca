package setup

import (
	"slices"
	"strings"
)

// guards notes what the roles of a service call for among the rules of its own.
func (p *Plan) guards(roles []Role) {
	p.Logins = p.Logins || slices.ContainsFunc(roles, func(r Role) bool { return r.Kind.web() || r.Kind.application() })
}

// schemas are the databases that servers were made with.
func (p *Plan) schemas() (all []string) {
	for i := range p.Stores {
		t := &p.Stores[i]
		if !t.Kind.mysql() {
			continue
		}
		name := t.Service.Env["MARIADB_DATABASE"]
		if name == "" {
			name = t.Service.Env["MYSQL_DATABASE"]
		}
		if name == "" { // what it has is not known: all count
			return nil
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func (p *Plan) hasMySQL() bool {
	return slices.ContainsFunc(p.Stores, func(t Target) bool { return t.Kind.mysql() })
}

// rulesYAML is the rule file: what is tighter than the packs are, and an example.
func (p *Plan) rulesYAML() string {
	var rules, tests strings.Builder
	if p.Logins {
		rules.WriteString(loginRule)
		tests.WriteString(loginTests)
	}
	if p.hasMySQL() {
		source, schema := "", "shop"
		if all := p.schemas(); len(all) > 0 {
			schema = all[0]
			var names []string
			for _, name := range all {
				names = append(names, literal(name))
			}
			source = "        source: {schema: [" + strings.Join(names, ", ") + "]}\n"
		}
		rules.WriteString(strings.Replace(queryRule, "SOURCE\n", source, 1))
		tests.WriteString(strings.Replace(queryTests, "SCHEMA", literal(schema), 1))
	}
	if len(p.Pages) > 0 {
		rules.WriteString(pageRule)
		tests.WriteString(pageTests)
	}
	return rulesHead + rules.String() + exampleRule + testsHead + tests.String()
}

const rulesHead = `# Your own rules. logkeel test runs the tests; docs/rules.md has all keys.
groups:
  - name: own
    rules:
`

const loginRule = `      # A login that an API refuses is a line in no log but the access log. A form that
      # answers a wrong password with 200 or a redirection is not seen by it.
      - name: LoginsRefused
        class: security
        severity: warning
        format: access
        where: method == 'POST' and (status == 401 or status == 403 or status == 422) and path =~ '(?i)/(?:log-?in|sign-?in|auth|authenticate|sessions?|token)(?:[/.]|$)'
        threshold: 10
        window: 5m
        by: [client]
        summary: somebody tries passwords
        runbook: |
          Did it get in: docker compose logs --since 1h | grep POST | grep ADDRESS
          Block the address in front of the application.
`

const queryRule = `      # The pack's SlowStatements wants 1.5 s for three minutes. Too many: raise above, or for.
      - name: QuerySlow
        class: slow
        severity: warning
        sample: logkeel_mysql_statement_seconds_recent
SOURCE
        above: 1s
        for: 20s   # three snapshots in a row
        by: [target, schema]
        summary: statements take longer than a second in the mean
        runbook: |
          Which: the label digest in the alert; logkeel_mysql_statement_seconds_recent at the page of metrics
          What runs now: docker compose exec DATABASE mariadb -e 'SHOW FULL PROCESSLIST'
`

const pageRule = `      # The pack's PageSlow wants 2 s for three minutes. Too many: raise above, or for.
      - name: PageSluggish
        class: slow
        severity: warning
        sample: probe_duration_seconds
        above: 1s
        for: 20s   # three snapshots in a row
        summary: a page takes longer than a second
        runbook: |
          Where the time goes: docker compose exec logkeel logkeel probe NAME
          Who uses what: docker stats --no-stream
`

const exampleRule = `      # An example: of lines of your own.
      - name: PaymentDeclined
        class: error
        severity: warning
        match: 'payment (declined|refused)'
        not: 'test card'
        threshold: 3
        window: 10m
        summary: several payments were declined
        runbook: |
          docker compose logs --since 15m | grep -i payment
          Is it every bank, or one? Look at the provider's status page.
`

const testsHead = `tests:
  - rule: PaymentDeclined
    finds: ['order 17: payment declined']
    ignores: ['order 18: payment accepted', 'test card: payment declined']
`

const loginTests = `  - rule: LoginsRefused
    finds:
      - '192.0.2.7 - - [09/Jan/2026:14:30:04 +0000] "POST /api/v1/login HTTP/1.1" 401 59 "-" "curl/8"'
      - '192.0.2.7 - - [09/Jan/2026:14:30:04 +0000] "POST /login HTTP/1.1" 422 59 "-" "curl/8"'
    ignores:
      - '192.0.2.7 - - [09/Jan/2026:14:30:04 +0000] "POST /api/v1/login HTTP/1.1" 200 59 "-" "curl/8"'
      - '192.0.2.7 - - [09/Jan/2026:14:30:04 +0000] "GET /api/v1/invoices HTTP/1.1" 401 59 "-" "curl/8"'
`

const queryTests = `  - name: statements are slow for 20 s
    input:
      - {sample: logkeel_mysql_statement_seconds_recent, labels: {target: db, schema: SCHEMA, digest: a}, value: 1.5, repeat: 3, every: 15s}
    expect:
      alerts: [{rule: QuerySlow, at: 30s}]
`

const pageTests = `  - name: a page is slow for 20 s
    input:
      - {sample: probe_duration_seconds, labels: {target: page}, value: 1.5, repeat: 3, every: 15s}
    expect:
      alerts: [{rule: PageSluggish, at: 30s}]
`
