package docker

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

func TestConfig(t *testing.T) {
	const file = `
host: tcp://127.0.0.1:2375
include:
  - service: app
    com.example.team: [a, "b-*"]
exclude: [{container: "*-tmp"}]
`
	cfg := Config{}
	cfg.SetDefaults()
	if _, err := conf.Decode("agent.yaml", []byte(file), &cfg, conf.Options{}); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Root:    "/var/lib/docker",
		Host:    "tcp://127.0.0.1:2375",
		Include: Selectors{{"service": {"app"}, "com.example.team": {"a", "b-*"}}},
		Exclude: Selectors{{"container": {"*-tmp"}}},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got %+v, want %+v", cfg, want)
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"include: app", `agent.yaml:1: include: expected a list of sections; write "- service: app"`},
		{"include:\n  service: app", `agent.yaml:2: include: expected a list of sections; write "- service: app"`},
		{"include:\n  - app", `agent.yaml:2: include[0]: expected a section with at least one key; write "- service: app"`},
		{"exclude:\n  - service: app\n  - {}", `agent.yaml:3: exclude[1]: expected a section with at least one key; write "- service: app"`},
		{"include:\n  - image: nginx\n    service:", `agent.yaml:3: include[0].service: expected a text or a list of texts, none of them empty; write "*" for any`},
		{"include:\n  - image: {a: b}", `agent.yaml:2: include[0].image: expected a text or a list of texts, none of them empty; write "*" for any`},
		{"include:\n  - image: []", `agent.yaml:2: include[0].image: expected a text or a list of texts, none of them empty; write "*" for any`},
	} {
		_, err := conf.Decode("agent.yaml", []byte(c.file), &Config{}, conf.Options{})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.file, err, c.want)
		}
	}
}

func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"web-*", "web-1"}, {"*", ""}, {"", "a"}, {"a*b*c", "aXbbc"}, {"?", "a"}, {"*/nginx:*", "r/x/nginx:1"}, {"**a", "ba"}, {"a?", "a"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		// Latin-1 makes each byte one character for the regular expression.
		latin := func(s string) string {
			var b strings.Builder
			for i := range len(s) {
				b.WriteRune(rune(s[i]))
			}
			return b.String()
		}
		expr := strings.NewReplacer(`\*`, `(?s:.*)`, `\?`, `(?s:.)`).Replace(regexp.QuoteMeta(latin(pattern)))
		if len(expr) > 1000 {
			return
		}
		want := regexp.MustCompile(`\A` + expr + `\z`).MatchString(latin(s))
		if got := glob(pattern, s); got != want {
			t.Errorf("glob(%q, %q) is %v", pattern, s, got)
		}
	})
}
