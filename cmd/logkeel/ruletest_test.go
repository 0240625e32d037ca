package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const tried = `groups:
  - name: shop
    rules:
      - name: PaymentDeclined
        class: error
        match: 'payment (declined|refused)'
        not: 'test card'
        source: {service: shop}
      - {name: Slow, match: 'took (?P<time>\S+)', where: time > 2s}
      - {name: Down, sample: redis_up, equals: 0}
`

func writeFiles(t *testing.T, files ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTestCommand(t *testing.T) {
	dir := writeFiles(t,
		"agent.yaml", "rules: {packs: [operations], files: ['[gf]*.yaml']}\n",
		"good.yaml", tried+"tests:\n  - {rule: PaymentDeclined, finds: payment declined}\n  - {rule: Slow, finds: took 3s}\n  - {input: [{sample: redis_up, value: 0}], expect: {alerts: [{rule: Down}]}}\n",
		"few.yaml", "groups: [{name: g, rules: [{name: Few, match: few}]}]\n",
		"fails.yml", tried+"tests:\n  - name: \"it \\e[2J fails\"\n    rule: Slow\n    finds: [took 1s]\n",
		"wrong.yml", "groups: [{name: g, rules: [{name: A, match: '('}]}]\n",
	)
	for _, c := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{nil, 0, "ok    pack:operations  6 rules, 6 tests\nok    DIR/few.yaml  1 rule, 0 tests\n      DIR/few.yaml:1: Few has no test\nok    DIR/good.yaml  3 rules, 3 tests\n", ""},
		{[]string{"--require-tests", "few.yaml", "few.yaml"}, 1, "FAIL  few.yaml  1 rule, 0 tests\n      few.yaml:1: Few has no test\n", "1 rule without a test\n"},
		{[]string{"fails.yml"}, 1, `FAIL  fails.yml  3 rules, 1 test, 1 failed
      FAIL fails.yml:12: it \x1b[2J fails
           fails.yml:14: finds[0]
             - Slow finds it
             + where does not hold: time > 2s, and time is "1s", in "took 1s"
      fails.yml:4: PaymentDeclined has no test
      fails.yml:10: Down has no test
`, "1 of 1 test failed\n"},
		{[]string{"wrong.yml", "good.yaml"}, 2, "ok    good.yaml  3 rules, 3 tests\n", "wrong.yml:1: groups[0].rules[0].match: not an expression: missing closing ) in \"(\"; close it, or put a backslash before it where it stands for itself\n"},
		{[]string{"none.yaml"}, 2, "", "none.yaml: there is no such file; check the path\n"},
		{[]string{"none*.yaml"}, 2, "", "none*.yaml: no file is called that; check the path\n"},
		{[]string{"pack:none"}, 2, "", "there is no pack \"none\"; use one of attacks, auth, kernel, laravel, logkeel, mail, mariadb, operations, postgres, redis, samples, slow, web\n"},
	} {
		stdout, stderr, code := logkeel(t, dir, append([]string{"test"}, c.args...)...)
		stdout = strings.ReplaceAll(stdout, dir, "DIR")
		if code != c.code || stdout != c.stdout || stderr != c.stderr {
			t.Errorf("%v: exit code %d\n%s%swant %d\n%s%s", c.args, code, stdout, stderr, c.code, c.stdout, c.stderr)
		}
	}
	stdout, _, code := logkeel(t, dir, "test", "--json", "fails.yml")
	var got struct{ Files []testedFile }
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 1 || len(got.Files) != 1 || len(got.Files[0].Failed) != 1 || got.Files[0].Failed[0].Failures[0].Line != 14 {
		t.Errorf("exit code %d, %v\n%s", code, err, stdout)
	}
	if stdout, stderr, code := logkeel(t, dir, "check"); code != 0 {
		t.Errorf("check: exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestExplain(t *testing.T) {
	dir := writeFiles(t, "agent.yaml", "rules: {self: false, files: [r.yaml]}\n", "r.yaml", tried)
	for _, c := range []struct {
		args []string
		code int
		want string // of standard output, or else of standard error
	}{
		{[]string{"--source", "service=shop,container=x", "the payment refused \x1b[2J\u202e"}, 0, `the payment refused \x1b[2J\u202e
  holds  PaymentDeclined (error, warning) DIR/r.yaml:4
         the »payment refused« \x1b[2J\u202e
  and 1 rule of which nothing is in it (--all says why)
(1 rule on samples left out)
`},
		{[]string{"payment refused took 1.5s password=hunter22"}, 0, `payment refused took 1.5s password=********
  secrets were cut out before rules look, as redact says
  no     PaymentDeclined (error, warning) DIR/r.yaml:4
         »payment refused« took 1.5s password=********
         the log has no label service, and source asks for service="shop"
  no     Slow (other, warning) DIR/r.yaml:9
         payment refused »took 1.5s« password=********
         where does not hold: time > 2s, and time is "1.5s"
(1 rule on samples left out)
`},
		{[]string{"--rule", "PaymentDeclined", "payment refused: test card"}, 0, `payment refused: test card
  no     PaymentDeclined (error, warning) DIR/r.yaml:4
         »payment refused«: test card
         not "test card" holds: it matches "test card" at byte 17
`},
		{[]string{"--all", "hello"}, 0, `hello
  no     PaymentDeclined (error, warning) DIR/r.yaml:4
         the log has no label service, and source asks for service="shop"
  no     Slow (other, warning) DIR/r.yaml:9
         does not have "took "
(1 rule on samples left out)
`},
		{[]string{"hello"}, 0, "hello\n  no rule holds: 2 rules (--all says why not)\n(1 rule on samples left out)\n"},
		{[]string{"--rule", "Down", "x"}, 2, "Down is a rule on a sample; explain is about lines\n"},
		{[]string{"--rule", "No", "x"}, 2, "there is no rule \"No\"; the configuration has 3\n"},
		{nil, 2, "it takes one line, in quotes, or - for standard input; see logkeel explain --help\n"},
		{
			[]string{"--json", "--source", "service=shop", "payment declined"},
			0,
			`{"line":"payment declined","redacted":false,"rules":[{"rule":"PaymentDeclined","class":"error","severity":"warning","file":"DIR/r.yaml","line":4,"holds":true,"match":"payment declined"}],"sample_rules":1}` + "\n",
		},
	} {
		stdout, stderr, code := logkeel(t, dir, append([]string{"explain"}, c.args...)...)
		got := strings.ReplaceAll(stdout+stderr, dir, "DIR")
		if code != c.code || got != c.want {
			t.Errorf("%q: exit code %d\n%swant %d\n%s", c.args, code, got, c.code, c.want)
		}
	}
}

// Check names what is odd, and that is no error.
func TestCheckNamesOddRules(t *testing.T) {
	dir := writeFiles(t, "agent.yaml", "rules: {files: [r.yaml]}\n", "r.yaml", "groups: [{name: g, rules: [{name: Costs, match: 'costs 5$ more'}]}]\n")
	stdout, stderr, code := logkeel(t, dir, "check")
	want := "r.yaml:1: Costs: no line can match \"costs 5$ more\"; $ and ^ are"
	if code != 0 || stderr != "" || !strings.Contains(stdout, want) {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
