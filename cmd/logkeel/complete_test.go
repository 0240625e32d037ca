package main

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// complete is what a shell is offered, and what it is told beside it.
func complete(t *testing.T, dir string, args ...string) (names []string, directive string) {
	t.Helper()
	stdout, stderr, code := logkeel(t, dir, append([]string{"__complete"}, args...)...)
	if code != 0 || !strings.HasPrefix(stderr, "Completion ended") {
		t.Errorf("%q: exit code %d, %s%s", args, code, stdout, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	directive = lines[len(lines)-1]
	typed := args[len(args)-1]
	typed = typed[strings.IndexByte(typed, '=')+1:]
	for _, line := range lines[:len(lines)-1] {
		name, _, _ := strings.Cut(line, "\t")
		if files := directive == ":8"; files || strings.HasPrefix(name, typed) { // as the shell does
			names = append(names, name)
		}
	}
	return names, directive
}

func TestCompletion(t *testing.T) {
	dir := writeFiles(t, "agent.yaml", `
state_dir: `+t.TempDir()+`
collectors:
  files: [{name: app, paths: 'app*.log', labels: {service: shop}}, {name: web, paths: web.log, labels: {service: web}}]
  http: [{name: health, url: 'http://127.0.0.1:9/'}]
  redis: [{name: cache, address: '127.0.0.1:9'}]
  jobs: {jobs: [{name: backup, schedule: '0 2 * * *'}]}
rules: {files: own.yaml}
outputs:
  prometheus: {}
  webhook: [{name: hook, url: 'http://127.0.0.1:9/'}]
  email: [{name: ops, server: '127.0.0.1:9', from: a@b.example, to: c@d.example, report: {}}, {name: few, server: '127.0.0.1:9', from: a@b.example, to: c@d.example}]
`, "own.yaml", tried, "app.log", "x\n", "web.log", "x\n")
	if _, stderr, code := logkeel(t, dir, "check"); code != 0 {
		t.Fatal(stderr)
	}
	if _, stderr, code := logkeel(t, dir, "silence", `rule="Slow"`, "1h"); code != 0 {
		t.Fatal(stderr)
	}
	list, _, _ := logkeel(t, dir, "silence", "list")
	id := strings.Fields(strings.Split(list, "\n")[1])[0]
	for _, tt := range []struct{ args, want, directive string }{
		{"sta", "status", ":4"},
		{"explain --rule ", "PaymentDeclined Slow", ":4"},
		{"tap --rule ", "PaymentDeclined Slow", ":4"},
		{"tap --rule Slow,", "Slow,PaymentDeclined", ":4"},
		{"scan --rule Pay", "PaymentDeclined", ":4"},
		{"scan --class ", "error other", ":4"},
		{"tap --service ", "shop web", ":4"},
		{"scan --service shop,", "shop,web", ":4"},
		{"tap --severity critical,w", "critical,warning", ":4"},
		{"tap --stream ", "stdout stderr", ":4"},
		{"tap --alerts=", "also only", ":4"},
		{"scan --multiline lara", "laravel", ":4"},
		{"scan --since ", "", ":4"},
		{"scan ", "", ":0"},
		{"scan --rules pack:op", "pack:operations", ":4"},
		{"scan --rules ", "yaml yml", ":8"},
		{"test pack:mar", "pack:mariadb", ":4"},
		{"test rules", "yaml yml", ":8"},
		{"run --config ", "yaml yml", ":8"},
		{"run ", "", ":4"},
		{"check --output ", "hook ops few", ":4"},
		{"report --output ", "ops", ":4"},
		{"doctor re", "redis redis/cache", ":4"},
		{"doctor redis r", "redis/cache rules", ":4"},
		{"probe ", "health", ":4"},
		{"probe health ", "", ":4"},
		{"probe --cacert ", "", ":0"},
		{"job ", "backup", ":4"},
		{"job backup -- ", "", ":0"},
		{"init --dir ", "", ":16"},
		{"silence 0123abcd 1", "1h 12h 1d", ":36"},
		{"silence end ", id, ":4"},
		{"help silence ", "end list", ":4"},
		{"completion ", "bash zsh fish powershell", ":4"},
		{"status --color ", "auto always never", ":4"},
	} {
		got, directive := complete(t, dir, strings.Split(tt.args, " ")...)
		want := strings.Fields(tt.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || directive != tt.directive {
			t.Errorf("%s: %q %s, want %q %s", tt.args, got, directive, want, tt.directive)
		}
	}
}

// Who types is not told that the configuration is wrong, and does not wait for long.
func TestCompletionOfWhatIsBroken(t *testing.T) {
	pipe := t.TempDir() // a file that nobody writes to hangs who reads it
	if err := syscall.Mkfifo(filepath.Join(pipe, "agent.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"none":        t.TempDir(),
		"no YAML":     writeFiles(t, "agent.yaml", "rules: [\n"),
		"unknown key": writeFiles(t, "agent.yaml", "rulez: 1\n"),
		"wrong rules": writeFiles(t, "agent.yaml", "rules: {files: own.yaml}\n", "own.yaml", "groups: [{name: g, rules: [{name: A, match: '('}]}]\n"),
		"a pipe":      pipe,
	} {
		began := time.Now()
		all := [][]string{
			{"explain", "--rule", ""}, {"tap", "--service", ""}, {"probe", ""}, {"doctor", "zz"}, {"silence", "0"}, {"silence", "end", ""}, {"job", ""}, {"report", "--output", ""},
		}
		if dir == pipe { // which takes as long as it may
			all = all[:1]
		}
		for _, args := range all {
			if got, _ := complete(t, dir, args...); len(got) > 0 {
				t.Errorf("%s: %q offers %q", name, args, got)
			}
		}
		if took := time.Since(began); took > waitLong {
			t.Errorf("%s: it took %s", name, took)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		full, _, code := logkeel(t, "", "completion", shell)
		if code != 0 || !strings.Contains(full, "__complete") {
			t.Errorf("%s: exit code %d\n%.200s", shell, code, full)
		}
		plain, _, code := logkeel(t, "", "completion", shell, "--no-descriptions")
		if code != 0 || !strings.Contains(plain, "__completeNoDesc") {
			t.Errorf("%s without descriptions: exit code %d\n%.200s", shell, code, plain)
		}
	}
	for args, want := range map[string]string{
		"completion":           "it takes one shell, of bash, zsh, fish, powershell",
		"completion tcsh":      `there is no completion for "tcsh"`,
		"completion bash fish": "it takes one shell",
	} {
		if _, stderr, code := logkeel(t, "", strings.Fields(args)...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s", args, code, stderr)
		}
	}
}
