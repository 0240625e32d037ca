package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

const reloadConfig = `
state_dir: %s
collectors: {docker: {root: %s, host: "unix:///nowhere.sock"}}
rules: {packs: [operations], files: [own.yaml]}
outputs:
  prometheus: {listen: METRICS}
  fluentd: [%s]
`

const ownRule = `
groups:
  - name: own
    rules:
      - {name: Own, class: error, match: 'line %s'}
`

func (a *agentProcess) said(text string) bool {
	log, _ := os.ReadFile(a.stderr)
	return strings.Contains(string(log), text)
}

// A running agent is given one configuration after another: a wrong one, one
// without its output, one with the receiver's right address, one with another
// rule. It says what is wrong, goes on, and loses and repeats nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	nobody := testenv.Addr(t)
	root, state := t.TempDir(), t.TempDir()
	app := newContainerLog(t, root, "app", 1)
	output := func(addr string) string { return fmt.Sprintf(`{name: main, address: "%s", ack_timeout: 5m}`, addr) }
	a := newAgent(t, fmt.Sprintf(reloadConfig, state, root, output(nobody)))
	configure := func(state, outputs string) {
		a.write("agent.yaml", strings.ReplaceAll(fmt.Sprintf(reloadConfig, state, root, outputs), "METRICS", a.metrics))
	}
	good := func() float64 { return a.metric("logkeel_config_last_reload_successful") }
	a.write("own.yaml", fmt.Sprintf(ownRule, "7"))
	a.start()
	app.write(1000)
	eventually(t, "records wait on the disk", waitShort, func() bool {
		return a.metric("logkeel_spool_frames") > 0 && a.metric("logkeel_source_lines_total") == 1000
	})
	findings := a.metric("logkeel_findings_total", `rule="ApplicationError"`)

	configure(state, `{name: main, adress: "`+nobody+`"}`)
	eventually(t, "a wrong one is said, by a change of the file alone", waitShort, func() bool { return good() == 0 && a.said("agent.yaml:7: outputs.fluentd[0].adress") })
	configure(t.TempDir(), output(receiver.Addr))
	eventually(t, "what needs a restart is said", waitShort, func() bool { return a.said("it needs a restart") })
	configure(state, "")
	eventually(t, "an output that keeps something stays", waitShort, func() bool { return a.said("the output fluentd/main cannot be removed, for it keeps ") })
	app.write(1000)

	configure(state, output(receiver.Addr))
	eventually(t, "the right one is taken", waitShort, func() bool { return good() == 1 })
	receiver.Await(2000, waitShort)
	if n := a.metric("logkeel_findings_total", `rule="ApplicationError"`); n != 2*findings {
		t.Errorf("%v findings, want %v: the rules have seen each line once", n, 2*findings)
	}

	a.write("more.yaml", "groups: wrong")
	both := strings.Replace(fmt.Sprintf(reloadConfig, state, root, output(receiver.Addr)), "[own.yaml]", "[own.yaml, more.yaml]", 1)
	a.write("agent.yaml", strings.ReplaceAll(both, "METRICS", a.metrics))
	eventually(t, "a new rule file is wrong", waitShort, func() bool { return good() == 0 })
	a.write("more.yaml", strings.Replace(fmt.Sprintf(ownRule, "7"), "Own", "More", 1))
	eventually(t, "and is looked at, though the agent never had it", waitShort, func() bool { return good() == 1 })

	own := a.metric("logkeel_findings_total", `rule="Own"`)
	a.write("own.yaml", strings.Replace(fmt.Sprintf(ownRule, ""), "Own", "Another", 1))
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a rule is swapped", waitShort, func() bool {
		page, _ := a.page()
		return strings.Contains(string(page), `rule="Another"`) && !strings.Contains(string(page), `rule="Own"`)
	})
	app.write(1000)
	eventually(t, "the new rule counts", waitShort, func() bool { return a.metric("logkeel_findings_total", `rule="Another"`) == 1000 })
	if own == 0 {
		t.Error("the rule before counted nothing")
	}
	receiver.Await(3000, waitShort)
	a.stop()
	got := tally(receiver.Entries(), []*containerLog{app})
	got.check(t, 3000)
	if got.repeated > 0 {
		t.Errorf("%d lines came twice", got.repeated)
	}
}
