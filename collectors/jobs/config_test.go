package jobs

import (
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

func TestConfigErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"name: a b\nany: true", `agent.yaml:2: jobs.name: "a b" is no name`},
		{"listen: nowhere\nany: true", `jobs.listen: "nowhere" is no host:port; write it as 127.0.0.1:9766 or unix:///run/logkeel/jobs.sock`},
		{"listen: unix://jobs.sock\nany: true", `jobs.listen: "unix://jobs.sock" is no path of a socket`},
		{"mode: rw\nany: true", `jobs.mode: "rw" is no file mode`},
		{"{}", "jobs.jobs: no job; list them"},
		{"jobs: [{name: a}, {name: a}]", `jobs.jobs[1].name: the name "a" is taken`},
		{"jobs: [{name: a/b}]", `jobs.jobs[0].name: "a/b" is no name`},
		{`jobs: [{name: a, schedule: "0 2 * *"}]`, `jobs.jobs[0].schedule: "0 2 * *": it has 4 fields, a crontab has 5`},
		{`jobs: [{name: a, schedule: "0 25 * * *"}]`, `jobs.jobs[0].schedule: "0 25 * * *": `},
		{`jobs: [{name: a, schedule: "@daily", timezone: Mars}]`, `"Mars" is no time zone; write it as Europe/Amsterdam`},
		{`jobs: [{name: a, grace: 1h}]`, "jobs.jobs[0].schedule: there is none; write when it runs"},
		{`jobs: [{name: a, schedule: "@daily", grace: 1s}]`, "jobs.jobs[0].grace: 1s is out of range"},
		{`jobs: [{name: a, max_duration: 99d}]`, "jobs.jobs[0].max_duration: 99d is out of range"},
		{`jobs: [{name: a, expect_output: "("}]`, "jobs.jobs[0].expect_output: error parsing regexp"},
		{`jobs: [{name: a, dir: /tmp}]`, "jobs.jobs[0].dir: it is for a command of the agent; remove it, or set command"},
		{`jobs: [{name: a, command: [x]}]`, "jobs.jobs[0].schedule: a command without a schedule"},
		{`jobs: [{name: a, schedule: "@daily", command: "/bin/x --all"}]`, `jobs.jobs[0].command: "/bin/x --all" has blanks; no shell reads it; write [program, argument, ...]`},
		{`jobs: [{name: a, schedule: "@daily", command: [""]}]`, "jobs.jobs[0].command: there is no program"},
		{`jobs: [{name: a, schedule: "@daily", command: [x], dir: x}]`, `jobs.jobs[0].dir: "x" is no absolute path`},
		{`jobs: [{name: a, schedule: "@daily", command: [x], env: {"A-B": c}}]`, `jobs.jobs[0].env.A-B: "A-B" cannot be the name of a variable`},
		{`jobs: [{name: a, schedule: "@daily", command: [x], timeout: 1ms}]`, "jobs.jobs[0].timeout: 1ms is out of range"},
	} {
		var c struct {
			Jobs *Config `yaml:"jobs"`
		}
		text := "jobs:\n  " + strings.ReplaceAll(tt.text, "\n", "\n  ") + "\n"
		d, err := conf.Decode("agent.yaml", []byte(text), &c, conf.Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if err := c.Jobs.Check(d, "jobs"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestOpen(t *testing.T) {
	for listen, open := range map[string]bool{
		"127.0.0.1:9766": false, "localhost:9766": false, "[::1]:9766": false, "unix:///run/x": false, "0.0.0.0:9766": true, "192.0.2.1:9766": true, "[::]:9766": true, "host:9766": true,
	} {
		if c := (Config{Listen: listen}); c.Open() != open {
			t.Errorf("%s is open: %v", listen, !open)
		}
	}
	if c := (Config{Listen: "0.0.0.0:9766", Token: conf.NewSecret("x")}); c.Open() {
		t.Error("it is open with a token")
	}
}
