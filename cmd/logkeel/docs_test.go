package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// keys lists the yaml keys of a section, with those of the sections below it.
func keys(t reflect.Type, add func(string)) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		if name, _, _ := strings.Cut(tag, ","); name != "" {
			add(name)
		}
		keys(f.Type, add)
	}
}

func TestEveryKeyAndMetricIsDocumented(t *testing.T) {
	var doc string
	for _, file := range []string{"configuration", "samplers"} {
		b, err := os.ReadFile("../../docs/" + file + ".md")
		if err != nil {
			t.Fatal(err)
		}
		doc += string(b)
	}
	keys(reflect.TypeFor[Config](), func(key string) {
		if !regexp.MustCompile("[`. ]" + key + "\\b").MatchString(doc) {
			t.Errorf("the key %s is not in docs/", key)
		}
	})
	a := newAgent(t, "outputs:\n  prometheus: {listen: METRICS}\n  fluentd: [{name: x, address: '127.0.0.1:9'}]\n  email: [{name: y, server: '127.0.0.1:9', from: a@b.example, to: c@d.example}]\n  alertmanager: [{name: z, urls: 'http://127.0.0.1:9'}]\ncollectors:\n  docker: {root: /nowhere, host: 'unix:///nowhere'}\n  redis: [{name: x, address: '127.0.0.1:9'}]\n  forward: [{name: in, listen: '127.0.0.1:0'}]\n")
	a.start()
	var page []byte
	var err error
	eventually(t, "metrics are served", waitShort, func() bool {
		page, err = a.page()
		return err == nil
	})
	a.stop()
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (logkeel_\S+)`).FindAllStringSubmatch(string(page), -1) {
		parts := strings.SplitAfterN(m[1], "_", 3)
		if !strings.Contains(doc, m[1]) && !strings.Contains(doc, "`_"+parts[2]) {
			t.Errorf("the metric %s is not in docs/", m[1])
		}
	}
}

// The README's configuration and rules are right as they stand.
func TestReadmeConfiguration(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)   ```yaml\n(.*?)   ```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of YAML, want the configuration and the rules", len(blocks))
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"agent.yaml": blocks[0][1], "rules/shop.yaml": blocks[1][1], "db.password": "secret", "smtp.password": "secret",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := load(filepath.Join(dir, "agent.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.rules.Rules()) < 10 || len(l.Outputs.Email) != 1 || len(l.Collectors.MySQL) != 1 {
		t.Errorf("%+v", l.Config)
	}
}
