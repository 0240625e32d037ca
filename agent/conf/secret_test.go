package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestSecretNeverPrints(t *testing.T) {
	const text = "hunter2"
	s := NewSecret(text)
	type open struct {
		Key  Secret            `yaml:"key" json:"key"`
		Ptr  *Secret           `yaml:"ptr" json:"ptr"`
		List []Secret          `yaml:"list" json:"list"`
		Map  map[string]Secret `yaml:"map" json:"map"`
		Any  any               `yaml:"any" json:"any"`
	}
	type closed struct {
		key  Secret
		ptr  *Secret
		list []Secret
		any  any
	}
	values := []any{
		s, &s,
		[]Secret{s},
		open{s, &s, []Secret{s}, map[string]Secret{"a": s}, s},
		closed{s, &s, []Secret{s}, s},
		&closed{s, &s, []Secret{s}, s},
		config{Auth: auth{Password: s}},
	}
	never := func(how, got string) {
		t.Helper()
		if strings.Contains(got, text) || strings.Contains(got, fmt.Sprintf("%x", text)) {
			t.Errorf("%s prints %s", how, got)
		}
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.2v", "%t", "%p", "%T"} {
			never(verb, fmt.Sprintf(verb, v))
		}
		never("print", fmt.Sprint(v, v)+fmt.Sprintln(v))
		never("error", fmt.Errorf("x: %v", v).Error())
		never("errorf", new(Doc).Errorf("a", "b", "%v %#v", v, v).Error())
		if b, err := json.Marshal(v); err != nil {
			t.Error(err)
		} else {
			never("json", string(b))
		}
		if b, err := yaml.Marshal(v); err != nil {
			t.Error(err)
		} else {
			never("yaml", string(b))
		}
		for _, h := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var b bytes.Buffer
			slog.New(h(&b)).Info("x", "v", v, slog.Group("g", "v", v), "err", fmt.Errorf("%v", v))
			never("slog", b.String())
		}
	}
}

func TestSecretShows(t *testing.T) {
	for _, c := range []struct {
		s                       Secret
		value, text, json, yaml string
	}{
		{NewSecret("hunter2"), "hunter2", "<secret>", `"\u003csecret\u003e"`, "<secret>\n"},
		{NewSecret(""), "", "", `""`, "\"\"\n"},
		{Secret{}, "", "", `""`, "\"\"\n"},
	} {
		j, err := json.Marshal(c.s)
		y, err2 := yaml.Marshal(c.s)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		got := []string{c.s.Value(), c.s.String(), fmt.Sprintf("%#v", c.s), c.s.LogValue().String(), string(j), string(y)}
		want := []string{c.value, c.text, c.text, c.text, c.json, c.yaml}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%d: got %q, want %q", i, got[i], want[i])
			}
		}
		if c.s.IsZero() != (c.value == "") {
			t.Error("IsZero is wrong")
		}
	}
}

// TestErrorsHideSecrets puts a secret where it does not belong.
func TestErrorsHideSecrets(t *testing.T) {
	const text = "hunter2"
	opts := Options{Env: func(string) (string, bool) { return text, true }}
	for _, file := range []string{
		"auth: {password: hunter2, user: [x]}",
		"auth: {password: [hunter2]}",
		"auth: {password: {hunter2: 1}}",
		"auth: hunter2",
		"auth: [hunter2]",
		"outputs: {fluentd: hunter2}",
		"count: '${X}'",
		"port: ${X}",
		"every: ${X}",
		"limit: '1 ${X}'",
		"match: '([${X}'",
		"match: '${X}{5000}'",
		"on: ${X}\npage: ${X}\nlabels: ${X}",
		"name: ${hunter2:?}",
		"auth: {password: ${X}}\nport: ${X}",
		"auth:\n  password_file: ${X}",
		"auth:\n  password: *hunter2",
		"auth:\n  password: &hunter2",
		"auth:\n  password: !hunter2 x",
		"auth:\n  password: !h!hunter2 x",
		"auth:\n  password: !!hunter2 x",
		"auth:\n  password: %hunter2",
		"auth:\n  password: @hunter2",
		"auth:\n  password: `hunter2",
		"auth:\n  password: 'hunter2",
		"auth:\n  password: \"\\hunter2\"",
		"auth:\n  password: |hunter2",
		"auth:\n  password: >-9 hunter2",
		"auth:\n  password: {hunter2",
		"auth:\n  password: hunter2: hunter2",
		"%hunter2 1.0\n---\n",
		"%TAG hunter2 x\n---\n",
	} {
		_, err := Decode("a.yaml", []byte(file), &config{}, opts)
		if err == nil {
			t.Errorf("%s: no error", file)
		} else if strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
