package main

import (
	"os"
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
	a := newAgent(t, "outputs:\n  prometheus: {listen: METRICS}\n  fluentd: [{name: x, address: '127.0.0.1:9'}]\ncollectors:\n  docker: {root: /nowhere, host: 'unix:///nowhere'}\n  redis: [{name: x, address: '127.0.0.1:9'}]\n")
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
