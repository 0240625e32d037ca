package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/conf/schema"
	"github.com/webgrip/logkeel/rules"
)

// Each key of the schema has a comment and is known to the decoder where the
// schema has it, and what it lists as values check does not refuse.
func TestSchemaKeysAreThoseOfCheck(t *testing.T) {
	agent, ruleFile := nodes(t)
	n := 0
	var walk func(section *schema.Node, before, after, path string, decode func(string) error)
	walk = func(section *schema.Node, before, after, path string, decode func(string) error) {
		for _, k := range section.Keys {
			n++
			if k.Doc == "" {
				t.Errorf("%s (%s%s) has no comment", k.Field, path, k.Name)
			}
			if err := decode(before + k.Name + ": 1" + after); unknown(err, k.Name) {
				t.Errorf("%s%s: %v", path, k.Name, err)
			}
			if err := decode(before + k.Name + "z: 1" + after); !unknown(err, k.Name+"z") {
				t.Errorf("%s%sz is taken: %v", path, k.Name, err)
			}
			also := ""
			if k.Name == "format" && path == "groups[0].rules[0]." { // it, needs something to look for
				also = ", match: a"
			}
			for i, v := range append([]string{"nonsense"}, k.Value.Enum...) {
				if k.Value.Enum != nil && refused(decode(before+k.Name+": "+v+also+after), path+k.Name) != (i == 0) {
					t.Errorf("check and schema differ on %s%s: %s", path, k.Name, v)
				}
			}
			switch below := k.Value; {
			case below.Kind == schema.Section:
				walk(below, before+k.Name+": {", "}"+after, path+k.Name+".", decode)
			case below.Kind == schema.List && below.Of.Kind == schema.Section:
				walk(below.Of, before+k.Name+": [{", "}]"+after, path+k.Name+"[0].", decode)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "agent.yaml")
	walk(agent, "{", "}", "", func(text string) error {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := load(file)
		return err
	})
	walk(ruleFile, "{", "}", "", func(text string) error {
		name := filepath.Join(filepath.Dir(file), "rules.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := rules.Load(rules.Config{Files: conf.Strings{name}}, "")
		return err
	})
	if n < 300 {
		t.Errorf("only %d keys", n)
	}
}

func unknown(err error, key string) bool {
	return err != nil && strings.Contains(err.Error(), `unknown key "`+key+`"`)
}

// refused reports whether an error is about the field.
func refused(err error, field string) bool {
	var all conf.Errors
	if !errors.As(err, &all) {
		return false
	}
	for _, e := range all {
		if e.Field == field {
			return true
		}
	}
	return false
}
