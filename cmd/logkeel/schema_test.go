package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent/conf/schema"
	"github.com/webgrip/logkeel/rules"
)

const schemaURL = "https://raw.githubusercontent.com/webgrip/logkeel/main/cmd/logkeel/schema/"

func nodes(t *testing.T) (agent, ruleFile *schema.Node) {
	t.Helper()
	c := defaults()
	agent, err := schema.Of(&c, "../..")
	if err != nil {
		t.Fatal(err)
	}
	if ruleFile, err = schema.Of(rules.Format(), "../.."); err != nil {
		t.Fatal(err)
	}
	return agent, ruleFile
}

// The schemas and the reference are what the types say.
func TestSchemas(t *testing.T) {
	agent, ruleFile := nodes(t)
	a, err := agent.JSON(schema.File{ID: schemaURL + "agent.schema.json", Title: "logkeel: agent.yaml", Variables: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ruleFile.JSON(schema.File{ID: schemaURL + "rules.schema.json", Title: "logkeel: a file of rules"})
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]byte{
		"schema/agent.schema.json": a, "schema/rules.schema.json": r, "../../docs/reference.md": []byte(schemaReference(agent, ruleFile)),
	} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if have, err := os.ReadFile(file); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is not what the types say (%v); write it by go test ./cmd/logkeel -run TestSchemas -update", file, err)
		}
	}
}

func schemaReference(agent, ruleFile *schema.Node) string {
	var b strings.Builder
	b.WriteString(`# Reference

Every key, written from the types that the agent reads its files into. [configuration.md](configuration.md), [samplers.md](samplers.md) and
[rules.md](rules.md) explain them. A secret ` + "`KEY` may lie in a file: `KEY_file`" + `. A key without a default is empty, 0 or off.

`)
	top := schema.Node{}
	var chapters []string
	for _, k := range agent.Keys {
		switch k.Name {
		case "collectors", "outputs":
			for _, s := range k.Value.Keys {
				title, below := k.Name+"."+s.Name, s.Value
				if below.Kind == schema.List {
					title, below = title+", a list", below.Of
				}
				chapters = append(chapters, below.Reference(title, ""))
			}
		case "redact", "rules":
			chapters = append(chapters, k.Value.Reference(k.Name, ""))
		default:
			top.Keys = append(top.Keys, k)
		}
	}
	b.WriteString(strings.Join(append([]string{top.Reference("The agent", "")}, chapters...), "\n"))
	for _, k := range ruleFile.Keys {
		b.WriteString("\n" + k.Value.Of.Reference("Rule files: "+k.Name+", a list", ""))
	}
	return b.String()
}

func compiled(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("file:///schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func against(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

// What the project shows and ships is right by the schemas.
func TestSchemasHoldOfWhatIsShipped(t *testing.T) {
	agent, ruleFile := compiled(t, "schema/agent.schema.json"), compiled(t, "schema/rules.schema.json")
	n := 0
	hold := func(s *jsonschema.Schema, globs ...string) {
		for _, g := range globs {
			files, err := filepath.Glob(g)
			if err != nil || len(files) == 0 {
				t.Errorf("%s: %d files, %v", g, len(files), err)
			}
			for _, f := range files {
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				if err := against(t, s, string(text)); err != nil {
					t.Errorf("%s: %v", f, err)
				}
				n++
			}
		}
	}
	hold(agent, "../../agent.yaml", "../../deploy/logkeel/agent.yaml", "../../deploy/invoiceninja/logkeel/agent.yaml")
	hold(ruleFile, "../../rules/packs/*.yaml", "../../deploy/invoiceninja/logkeel/rules/*.yaml")
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(docs, "../../README.md") {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			var top map[string]any
			if yaml.Unmarshal([]byte(m[1]), &top) != nil {
				continue // a part of a file
			}
			switch {
			case top["groups"] != nil:
				err = against(t, ruleFile, m[1])
			case top["collectors"] != nil || top["outputs"] != nil:
				err = against(t, agent, m[1])
			default:
				continue
			}
			n++
			if err != nil {
				t.Errorf("%s: %v\n%s", f, err, m[1])
			}
		}
	}
	t.Logf("%d files and examples", n)
}

// What check refuses for its form the schema refuses as well.
func TestSchemasRefuse(t *testing.T) {
	agent, ruleFile := compiled(t, "schema/agent.schema.json"), compiled(t, "schema/rules.schema.json")
	for _, text := range []string{
		"nonsense: 1",
		"log: {level: loud}",
		"log: {format: xml}",
		"reload_on_change: perhaps",
		"shutdown_timeout: 5",
		"shutdown_timeout: soon",
		"state_dir: [a]",
		"collectors: [docker]",
		"collectors: {docker: {rot: /x}}",
		"collectors: {docker: {logs: never}}",
		"collectors: {docker: {include: {service: a}}}",
		"collectors: {docker: {multiline: nonsense}}",
		"collectors: {docker: {multiline: [{service: a}]}}",
		"collectors: {files: [{name: a, paths: /x, max_line: large}]}",
		"collectors: {files: [{name: a, paths: {x: y}}]}",
		"collectors: {files: [{name: a, paths: /x, multiline: {begin: a}}]}",
		"collectors: {mysql: [{name: a, address: 'a:1', locks: maybe}]}",
		"collectors: {mysql: [{name: a, address: 'a:1', password: a, password_file: b}]}",
		"collectors: {http: [{name: a, url: 'http://a', expect: {json: [a]}}]}",
		"outputs: {prometheus: {listen: 'a:1', max_series: many}}",
		"outputs: {fluentd: [{name: a, address: 'a:1', compress: zip}]}",
		"outputs: {email: [{name: a, server: a, security: ssl}]}",
		"outputs: {email: [{name: a, server: a, digest: {severity: critical}}]}",
		"collectors: {http: [{name: a, url: 'http://a', http_version: 3}]}",
	} {
		path := filepath.Join(t.TempDir(), "agent.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := load(path); err == nil {
			t.Errorf("check takes %s", text)
		}
		if against(t, agent, text) == nil {
			t.Errorf("the schema takes %s", text)
		}
	}
	for _, text := range []string{
		"groups: {name: a}", "groups: [{rules: [{nam: a}]}]", "groups: [{rules: [{severity: bad}]}]", "groups: [{rules: [{above: much more}]}]",
		"groups: [{rules: [{changed: maybe}]}]", "groups: [{rules: [{threshold: many}]}]", "inhibit: [{source: [a]}]",
	} {
		if against(t, ruleFile, text) == nil {
			t.Errorf("the schema of rules takes %s", text)
		}
	}
	for _, text := range []string{
		"log: {level: '${LEVEL}'}", "shutdown_timeout: ${T:-8s}", "outputs: {prometheus: {max_series: '${N}'}}", "x-mine: {a: 1}", "state_dir: 5",
		"collectors: {http: [{name: a, url: 'http://a', http_version: 1.1, ip: 4}, {name: b, url: 'http://b', http_version: '2'}]}",
	} {
		if err := against(t, agent, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
