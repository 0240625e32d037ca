package main

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
)

// The rules of the pack operations, in its order. Every contender gets them.
const (
	applicationError ruleSet = 1 << iota
	performanceIssue
	securityEvent
	databaseConnection
	authenticationFailed
	suspiciousRequest

	nRules = iota
)

// A ruleSet has a bit for each rule, by its place in operations.
type ruleSet uint8

// A rule is an expression in the syntax of Go's regexp.
type rule struct{ Name, Expr string }

var operations = [nRules]rule{
	{"ApplicationError", `(ERROR|CRITICAL|FATAL)`},
	{"PerformanceIssue", `(slow|timeout|memory)`},
	{"SecurityEvent", `(unauthorized|authentication|failed login)`},
	{"DatabaseConnection", `(connection.*failed|database.*error)`},
	{"AuthenticationFailed", `(?i)authentication failed`},
	{"SuspiciousRequest", `(injection|xss|csrf)`},
}

var (
	methods = []string{"GET", "GET", "GET", "GET", "POST", "PUT", "DELETE"}
	paths   = []string{"/", "/orders/%d", "/orders?page=%d&per_page=50", "/api/v1/customers/%d", "/assets/app-%d.js", "/health?n=%d", "/img/%d.webp"}
	agents  = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
		"curl/8.5.0", "-",
	}
	statuses = []int{200, 200, 200, 200, 200, 200, 201, 204, 302, 304, 304, 404}
	messages = []string{
		`Order %d was confirmed by mail`,
		`Job App\Jobs\RenderInvoice done, id %d`,
		`Customer %d signed in <web>`,
		`Exporté le client n° %d – état «payé»`,
		`select * from "orders" where "customer_id" = %d order by "id" desc limit 50`,
		"\x1b[32mcache\x1b[0m refreshed for tenant %d\tin time",
	}
	sources = []string{"/app/src/Orders/Checkout.php", "/app/src/Http/Controller.php", "/app/vendor/framework/Pipeline.php", "/app/vendor/framework/Kernel.php"}
	calls   = []string{`App\Orders\Checkout->confirm(Object(App\Order))`, `Framework\Pipeline->{closure}(Object(Request))`, `Framework\Kernel->handle(Object(Request))`}
	users   = []string{"admin", "root", "billing", "marie"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (g *generator) address() []any {
	return []any{10 + g.IntN(200), g.IntN(256), g.IntN(256), 1 + g.IntN(254)}
}

const (
	webTime = "02/Jan/2006:15:04:05 -0700"
	appTime = "2006-01-02 15:04:05"
)

// request is a line of a web server.
func (g *generator) request() {
	path := fill(pick(g.Rand, paths), g.IntN(100_000))
	args := append(g.address(), g.now.Format(webTime), pick(g.Rand, methods), path, pick(g.Rand, statuses), g.IntN(50_000),
		pick(g.Rand, agents), g.Float64()*0.4, g.Float64()*0.4)
	g.record("stdout", 0, `%d.%d.%d.%d - - [%s] "%s %s HTTP/1.1" %d %d "https://shop.example.com/orders" "%s" rt=%.3f urt="%.3f"`, args...)
}

// application is a line of the application in which nothing is wrong.
func (g *generator) application() {
	g.record("stdout", 0, `[%s] production.INFO: %s {"user":%d,"tenant":%d}`, g.now.Format(appTime), fill(pick(g.Rand, messages), g.IntN(100_000)), g.IntN(5000), g.IntN(300))
}

// long is a line that Docker writes in pieces.
func (g *generator) long() {
	g.record("stdout", 0, "[%s] production.DEBUG: %s.", g.now.Format(appTime), bytes.Repeat([]byte("payload-0123456789abcdef "), 800))
}

// exception is an error and its stack trace, of which only the error is
// flagged.
func (g *generator) exception() {
	g.record("stderr", applicationError, `[%s] production.ERROR: Call to a member function confirm() on null {"exception":"[object] (Error(code: 0) at %s:%d)`, g.now.Format(appTime), pick(g.Rand, sources), g.IntN(900))
	n := 4 + g.IntN(8)
	for i := range n {
		g.record("stderr", 0, "#%d %s(%d): %s", i, pick(g.Rand, sources), g.IntN(900), pick(g.Rand, calls))
	}
	g.record("stderr", 0, `#%d {main}"}`, n)
}

// incident is a line that is flagged. Each rule has lines that no other rule
// holds for, so that a rule that does not work is seen in the number of records
// as well.
func (g *generator) incident() {
	at, n := g.now.Format(appTime), g.IntN(5000)
	switch g.IntN(9) {
	case 0:
		g.record("stderr", applicationError, `[%s] production.CRITICAL: SQLSTATE[HY000] [2002] Connection refused (SQL: select * from "users" where "id" = %d)`, at, n)
	case 1:
		g.record("stderr", performanceIssue, "PHP Fatal error:  Allowed memory size of 268435456 bytes exhausted (tried to allocate %d bytes)", n<<12)
	case 2:
		g.record("stderr", performanceIssue, "%s [error] 31#31: *%d upstream timeout (110: Connection timed out) while reading upstream", at, n)
	case 3:
		g.record("stdout", securityEvent, "[%s] production.NOTICE: failed login for %s, try %d", at, pick(g.Rand, users), n)
	case 4:
		g.record("stderr", databaseConnection, "[%s] production.WARNING: connection to mysql-%d:3306 has failed", at, n)
	case 5:
		g.record("stdout", authenticationFailed, "[%s] production.NOTICE: Authentication Failed: bad token of client %d", at, n)
	case 6:
		g.record("stdout", securityEvent|authenticationFailed, "[%s] production.WARNING: authentication failed for user %s (%d)", at, pick(g.Rand, users), n)
	case 7:
		g.record("stdout", suspiciousRequest, `%s "GET /search?q=<script>alert(%d)</script>&xss=1 HTTP/1.1" 403 "sqlmap/1.7"`, at, n)
	case 8:
		g.record("stderr", applicationError|securityEvent|databaseConnection, "[%s] production.ERROR: unauthorized access to tenant %d: database error 1045", at, n)
	}
}

// fill puts n where the text has a %d.
func fill(text string, n int) string {
	before, after, ok := strings.Cut(text, "%d")
	if !ok {
		return text
	}
	return before + strconv.Itoa(n) + after
}
