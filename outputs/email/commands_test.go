package email

import (
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// inShell gives the script to a shell, with a logkeel that prints its arguments,
// each after a NUL.
func inShell(t testing.TB, shell, script string) []string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(shell, "-c", `logkeel() { for a in "$@"; do printf '\000%s' "$a"; done; }`+"\n"+script)
	cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "x=expanded", "LC_ALL=C.UTF-8"}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%s of %q: %v, %s", shell, script, err, errs.String())
	}
	return strings.Split(string(out), "\x00")[1:]
}

var shells = []string{"sh", "bash"}

// words are lines that a shell could make something of.
var words = []string{
	"payment declined", "", "-", "--help", "-x 'y'", "it's", "''", "'", "\\", "\\'", "a\\nb\\0101", "$x ${x} $(echo x) `echo x`",
	"two\nlines", "tab\there", "bell\a\x1b[31m", "ends\r", "\n", "a;b&c|d>e<f", "* ? [a] ~ #", `"quoted"`, "!! !x", "it's !x\n!!",
	"\xff\xfe not UTF-8 \xc3", "\u202e bidi \u2066", "zero\u200bwidth", "no\u00a0break", "\ufffd", "שלום 世界 👍", "'\n; touch x; '", "%s %d %%", "\n%b'\\'",
	"a=b", "$'x'", "x\n\\c y", "1\n2\\0", hostileText,
}

// TestShellWord: a shell reads the very text, whatever it is.
func TestShellWord(t *testing.T) {
	for _, s := range words {
		word, cut := shellWord(s, 1000)
		want, _, nul := strings.Cut(s, "\x00")
		if cut != nul {
			t.Errorf("%q is cut: %v", s, cut)
		}
		if strings.ContainsFunc(want, func(r rune) bool { return !unicode.IsPrint(r) }) {
			want = strings.TrimRight(want, "\n") // as $() does
		}
		for _, shell := range shells {
			if got := inShell(t, shell, "logkeel "+word); len(got) != 1 || got[0] != want {
				t.Errorf("%s reads %s as %q; want %q", shell, word, got, want)
			}
		}
	}
}

// FuzzShellWord: what is shown is one line of printable text, and means the
// beginning of what was given.
func FuzzShellWord(f *testing.F) {
	for _, s := range words {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = max(1, min(most, 500))
		word, cut := shellWord(s, most)
		if len(word) > maxWord+30 || !utf8.ValidString(word) || strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q gives %q", s, word)
		}
		got := inShell(t, "sh", "logkeel "+word)
		switch {
		case len(got) != 1 || !strings.HasPrefix(s, got[0]):
			t.Errorf("%q is read as %q", s, got)
		case !cut && strings.TrimRight(got[0], "\n") != strings.TrimRight(s, "\n"):
			t.Errorf("%q is read as %q and was not said to be cut", s, got)
		}
	})
}

// TestExplainCommand: the printed command has one argument, the line, and the
// labels that rules ask for.
func TestExplainCommand(t *testing.T) {
	a := incident()
	a.Labels = append(a.Labels, agent.Label{Name: "path", Value: "a b"}, agent.Label{Name: "x", Value: "$(id)"}, agent.Label{Name: "y", Value: "1,z=2"})
	const labels = "project=shop,service=app,container=shop-app-1"
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"it's down", []string{"explain", "--source", labels, "it's down"}},
		{"-v", []string{"explain", "--source", labels, "--", "-v"}},
		{"a\nb", []string{"explain", "--source", labels, "a\nb"}},
		{strings.Repeat("é", 1000), []string{"explain", "--source", labels, strings.Repeat("é", maxCommandLine)}},
		{"-", nil},
		{"", nil},
	} {
		a.First[2].Text, a.Latest = tt.line, nil
		run, cut := explainCommand(&a)
		if cut != (len(tt.line) > 1000) {
			t.Errorf("%.20q is cut: %v", tt.line, cut)
		}
		if tt.want == nil {
			if run != "" {
				t.Errorf("%q gives %s", tt.line, run)
			}
			continue
		}
		if got := inShell(t, "sh", run); strings.Join(got, "\x00") != strings.Join(tt.want, "\x00") {
			t.Errorf("%s is read as %q; want %q", run, got, tt.want)
		}
	}
}

// TestCommands: each alert that is shown can be silenced, and the commands stand
// whole in the text and the page.
func TestCommands(t *testing.T) {
	n := &notify.Notice{ID: "1", Thread: "1", Alerts: []agent.Alert{hostileFields(), redisDown(), redisDown()}}
	c := newComposer(t)
	v := c.view(n, shrinking[0])
	var handles []string
	for _, cmd := range v.Commands {
		if got := inShell(t, "sh", cmd.Run); got[0] == "silence" {
			handles = append(handles, strings.Join(got[1:], " "))
		}
		if !strings.Contains(v.text(), "\n  "+cmd.Run+"\n") {
			t.Errorf("%s is not in the text:\n%s", cmd.Run, v.text())
		}
	}
	down := redisDown()
	if want := n.Alerts[0].Handle() + " 4h," + down.Handle() + " 4h"; strings.Join(handles, ",") != want {
		t.Errorf("silenced: %v; want %s", handles, want)
	}
	if !strings.Contains(v.text(), "docker compose exec logkeel logkeel silence "+n.Alerts[0].Handle()+" 4h\n") {
		t.Errorf("no hint for Compose:\n%s", v.text())
	}
	heldBack := c.view(&notify.Notice{Kind: notify.HeldBack}, shrinking[0])
	if !strings.Contains(heldBack.text(), "\n  logkeel silence list\n") {
		t.Error(heldBack.text())
	}
}
