package probe

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

// recipes are the items of docs/samplers.md, by name, that ask the server at base.
func recipes(t *testing.T, base string) map[string]*Sampler {
	t.Helper()
	doc, err := os.ReadFile("../../docs/samplers.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)### Recipes\n+```yaml\n(.*?)```").FindSubmatch(doc)
	if block == nil {
		t.Fatal("docs/samplers.md has no recipes")
	}
	text := regexp.MustCompile(`url: https?://[^/\n]+`).ReplaceAllString(string(block[1]), "url: "+base)
	var file struct {
		Collectors struct {
			HTTP []Config `yaml:"http"`
		} `yaml:"collectors"`
	}
	d, err := conf.Decode("samplers.md", []byte(text), &file, conf.Options{Env: func(string) (string, bool) { return "s3cret", true }})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*Sampler{}
	for i := range file.Collectors.HTTP {
		c := &file.Collectors.HTTP[i]
		if err := c.Check(d, "collectors.http"); err != nil {
			t.Fatal(err)
		}
		if all[c.Name], err = New(*c); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// The recipes hold for what the deployment answers, and not for what it answers
// when something is wrong.
func TestRecipes(t *testing.T) {
	const check = `{"system_health":true,"simple_db_check":true,"queue":"redis","queue_data":{"failed":0,"pending":3,"last_error":""}}`
	for _, c := range []struct {
		name, kind, body string
		status           int
		says             string
	}{
		{"health", "text/plain", "healthy\n", 200, ""},
		{"health", "text/html", "<h1>502 Bad Gateway</h1>", 502, "the status is 502, want 2xx"},
		{"application", "application/json", check, 200, ""},
		{"application", "application/json", strings.Replace(check, `"failed":0`, `"failed":4`, 1), 200, "queue_data.failed is 4, want 0"},
		{"application", "application/json", strings.Replace(check, `"pending":3`, `"pending":100`, 1), 200, "queue_data.pending is 100, want a number below 100"},
		{"application", "application/json", strings.Replace(check, `check":true`, `check":false`, 1), 200, "simple_db_check is false, want true"},
		{"application", "application/json", `{"message":"Invalid token","errors":{}}`, 403, "the status is 403, want 2xx"},
		{"services", "application/json", health, 200, ""},
		{"services", "application/json", strings.Replace(health, `cache":"healthy`, `cache":"down`, 1), 200, `services.cache is "down", want "healthy"`},
		{"services", "text/plain", "healthy\n", 200, `the header Content-Type is "text/plain", want "^application/json"; the body is no JSON`},
		{"shop", "text/html", "<h1>Whoops, something went wrong</h1>", 200, "not_body_regexp"},
	} {
		token := ""
		base := serve(t, func(w http.ResponseWriter, r *http.Request) {
			token = r.Header.Get("X-API-TOKEN")
			text(c.status, c.kind, c.body)(w, r)
		})
		got, err := sample(t, t.Context(), recipes(t, base)[c.name])
		if c.says != "" {
			says(t, err, c.says)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name != "application" {
			continue
		}
		if token != "s3cret" {
			t.Errorf("the token is %q", token)
		}
		if _, ok := got["logkeel_http_json_value{queue_data.pending}"]; ok != (c.status == 200) {
			t.Errorf("the length of the queue is there: %v, with status %d", ok, c.status)
		}
	}
}
