package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

var mailKills = flag.Int("mailkills", 5, "how often TestKilledWhileItMails kills the agent")

// An agent ends no alert in its first half minute: that is where it is killed each
// fourth time.
const untilEnds = 30 * time.Second

const killedMailConfig = `
collectors:
  files: [{name: app, paths: "*.log"}]
rules: {files: [rules.yaml]}
outputs:
  prometheus: {listen: METRICS}
  email: [%s]
`

// Each incident is an alert and a group of its own, and over two seconds later.
const killedMailRules = `
groups:
  - name: app
    rules:
      - {name: Incident, match: 'incident (?P<id>[0-9]+) ', by: [id], window: 2s}
`

// incidents writes one after another to a file.
type incidents struct {
	t    *testing.T
	path string
	n    int
}

func (i *incidents) write() {
	i.n++
	f, err := os.OpenFile(i.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		i.t.Error(err)
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "incident %d happens\n", i.n)
}

// The agent is killed at random moments while incidents begin, are mailed and end:
// each is mailed, none twice but for what was on its way at a kill, and none is
// said to be over that was not told.
func TestKilledWhileItMails(t *testing.T) {
	t.Parallel()
	smtp := testenv.SMTP(t)
	a := newAgent(t, fmt.Sprintf(killedMailConfig, mailOutput(smtp, "group_by: [id], group_wait: 0s, group_interval: 1s, max_per_hour: 0")))
	a.write("rules.yaml", killedMailRules)
	happens := &incidents{t: t, path: filepath.Join(filepath.Dir(a.config), "app.log")}
	happens.write()
	a.start()
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(rand.N(400 * time.Millisecond)):
				happens.write()
			}
		}
	})
	for i := range *mailKills {
		eventually(t, "the agent runs", waitLong, func() bool { return a.metric("logkeel_source_lines_total") >= 0 && a.metric("logkeel_sources") > 0 })
		if i%4 == 3 {
			time.Sleep(untilEnds)
		}
		time.Sleep(rand.N(2500 * time.Millisecond))
		a.kill()
		a.start()
	}
	close(stop)
	writing.Wait()
	var box *mailbox
	eventually(t, "each incident is told, and that it is over", waitLong, func() bool {
		box = sortMails(t, smtp.Mails())
		return len(box.over) >= happens.n
	})
	eventually(t, "the agent knows", waitLong, func() bool { return a.metric("logkeel_notifications_pending") == 0 })
	a.stop()
	box = sortMails(t, smtp.Mails())
	box.check(t, happens.n, *mailKills)
}

// A mailbox is what came of the incidents, by their numbers.
type mailbox struct {
	mails    int
	repeats  int                        // with a Message-ID that was there before
	begun    map[string]map[string]bool // Message-IDs of the mails that begin a thread
	followed map[string]map[string]bool // of those that belong to one
	strays   []string                   // follow what did not come
	over     map[string]bool            // incidents that were told to be over
}

var (
	incidentForm = regexp.MustCompile(`incident (\d+) happens`)
	overForm     = regexp.MustCompile(`\bover\b|\bresolved\b`)
)

func sortMails(t *testing.T, mails []*testenv.Mail) *mailbox {
	t.Helper()
	b := &mailbox{mails: len(mails), begun: map[string]map[string]bool{}, followed: map[string]map[string]bool{}, over: map[string]bool{}}
	ids, threads := map[string]bool{}, map[string]bool{}
	for _, m := range mails {
		found := incidentForm.FindStringSubmatch(m.Text)
		if found == nil {
			t.Fatalf("a mail of no incident: %s\n%s", m.Subject(), m.Text)
		}
		id := m.Header.Get("Message-Id")
		if ids[id] {
			b.repeats++
		}
		ids[id] = true
		if m.Header.Get("In-Reply-To") == "" {
			threads[id], threads[m.Header.Get("References")] = true, true
		}
		list := b.begun
		if m.Header.Get("In-Reply-To") != "" {
			list = b.followed
		}
		if list[found[1]] == nil {
			list[found[1]] = map[string]bool{}
		}
		list[found[1]][id] = true
		if overForm.MatchString(m.Subject()) {
			b.over[found[1]] = true
		}
	}
	for _, m := range mails {
		if to := m.Header.Get("In-Reply-To"); to != "" && !threads[to] {
			b.strays = append(b.strays, m.Subject())
		}
	}
	return b
}

func (b *mailbox) check(t *testing.T, n, kills int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		id := fmt.Sprint(i)
		if got := len(b.begun[id]); got != 1 {
			t.Errorf("incident %d: %d mails that it began, want 1", i, got)
		}
		if got := len(b.followed[id]); got > 1 {
			t.Errorf("incident %d: %d different mails after the first", i, got)
		}
		if !b.over[id] {
			t.Errorf("incident %d: nobody was told that it is over", i)
		}
	}
	if len(b.begun) != n {
		t.Errorf("mails of %d incidents, there were %d", len(b.begun), n)
	}
	if len(b.strays) > 0 {
		t.Errorf("%d mails follow one that did not come, such as %q", len(b.strays), b.strays[0])
	}
	if b.repeats > kills {
		t.Errorf("%d mails came again at %d kills", b.repeats, kills)
	}
	t.Logf("%d kills, %d incidents, %d mails, %d of them again", kills, n, b.mails, b.repeats)
}
