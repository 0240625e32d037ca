package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

var stormLines = flag.Int("stormlines", 60_000, "how many lines TestStorm has")

// stormConfig has one output that tells all in one, and one that tells each message
// apart and may not send more than ten mails an hour.
const stormConfig = `
collectors: {docker: {root: %s, host: "unix:///nowhere"}}
rules: {self: false, files: [rules.yaml]}
outputs:
  prometheus: {listen: METRICS}
  email:
    - &mail
      name: all
      server: "%s"
      tls: {ca_file: %s}
      username: %s
      password: "%s"
      from: logkeel@shop.example
      to: all@shop.example
      group_wait: 10s
    - <<: *mail
      name: each
      to: each@shop.example
      group_by: [rule, fingerprint]
      max_per_hour: 10
`

const stormRules = `
groups:
  - name: shop
    rules:
      - {name: Errors, class: error, match: 'production\.ERROR', by: [fingerprint], window: 25s} # no alert ends in the first 30 s anyway
`

// stormWords make twenty messages.
var stormWords = []string{
	"no cart", "no stock", "payment refused", "mail bounced", "disk full", "connection refused", "deadlock found", "token expired", "page not found", "query failed",
	"queue stalled", "cache missed", "session lost", "upload aborted", "invoice locked", "tax unknown", "client gone", "job failed", "image broken", "lock timed out",
}

// A million lines that are all errors, of twenty messages from thirty containers:
// as many mails as the configuration says, whose counts add up to every line, and
// memory that stays as it is.
func TestStorm(t *testing.T) {
	t.Parallel()
	const containers = 30
	smtp := testenv.SMTP(t)
	root := t.TempDir()
	a := newAgent(t, fmt.Sprintf(stormConfig, root, smtp.Addr, smtp.CAFile, smtp.Username, smtp.Password))
	a.write("rules.yaml", stormRules)
	rnd := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	for c := range containers {
		log := newContainerLog(t, root, fmt.Sprint("app", c), c+1)
		var b strings.Builder
		at := time.Now().UTC().Format(time.RFC3339Nano)
		for n := range *stormLines / containers {
			word := stormWords[rnd.IntN(len(stormWords))]
			counts[word]++
			fmt.Fprintf(&b, `{"log":"[2026-01-09 14:30:%02d] production.ERROR: order %d of 10.0.%d.%d: %s\n","stream":"stdout","time":"%s"}`+"\n", n%60, n, c, n%250, word, at)
		}
		if err := os.WriteFile(log.path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := *stormLines / containers * containers
	a.start()
	var early, most int // of memory: until half of it is read, and from then on
	eventually(t, "all is read", waitLong, func() bool {
		read := int(a.metric("logkeel_source_lines_total"))
		if rss := a.rss(); read <= lines/2 {
			early = max(early, rss)
		} else {
			most = max(most, rss)
		}
		return read == lines
	})
	// A mail that it began and one that it is over; and ten of twenty messages, with
	// one more that says that the rest is held back.
	to := map[string][]*testenv.Mail{}
	eventually(t, "the mails have come", waitLong, func() bool {
		clear(to)
		for _, m := range smtp.Mails() {
			to[m.To[0]] = append(to[m.To[0]], m)
		}
		return len(to["all@shop.example"]) >= 2 && len(to["each@shop.example"]) >= 11
	})
	time.Sleep(5 * time.Second) // none is to follow
	most = max(most, a.rss())
	a.stop()
	if n := len(smtp.Mails()); n != 13 {
		t.Errorf("%d mails, the configuration makes 13", n)
	}
	last := to["all@shop.example"][1]
	if got := findingsIn(t, last.Text); got != lines {
		t.Errorf("the mail that all is over speaks of %d findings, of %d:\n%s", got, lines, last.Text)
	}
	for word, n := range counts {
		if !regexp.MustCompile(`(?m)(^Findings +|, )` + strconv.Itoa(n) + `( findings)?$`).MatchString(last.Text) {
			t.Errorf("the mail does not say that %q came %d times", word, n)
		}
	}
	held := 0
	for _, m := range to["each@shop.example"] {
		if strings.Contains(m.Text, "max_per_hour") {
			held++
		}
	}
	if held != 1 {
		t.Errorf("%d mails say that mails are held back, want 1", held)
	}
	if early > 0 && float64(most) > 1.5*float64(early) {
		t.Errorf("memory went from %d to %d KiB", early, most)
	}
	t.Logf("%d lines, %d mails, memory from %d to %d KiB", lines, len(smtp.Mails()), early, most)
}

// findingsIn adds up what a mail says of each alert.
func findingsIn(t *testing.T, text string) (sum int) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)(?:^Findings +|^- over: .*, )([0-9]+)(?: findings)?$`).FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// rss is what the agent has in memory, in KiB.
func (a *agentProcess) rss() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}
