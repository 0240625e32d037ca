package collectors

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/multiline"
)

// The format of a container's log: its label, or else what fits first in the
// configuration, or else its image.
func TestContainerFormat(t *testing.T) {
	label := func(v string) map[string]string { return map[string]string{multilineLabel: v} }
	for _, test := range []struct {
		config    string
		container *agent.Container
		want      string
	}{
		{``, &agent.Container{Image: "mariadb:11"}, "mariadb"},
		{``, &agent.Container{Image: "shop/app:1"}, ""},
		{``, nil, ""},
		{`multiline: auto`, &agent.Container{Image: "php:8-fpm"}, "php-fpm"},
		{`multiline: none`, &agent.Container{Image: "php:8-fpm"}, ""},
		{`multiline: java`, &agent.Container{Image: "php:8-fpm"}, "java"},
		{`multiline: java`, &agent.Container{Image: "php:8-fpm", Labels: label("none")}, ""},
		{`multiline: none`, &agent.Container{Image: "php:8-fpm", Labels: label("laravel")}, "laravel"},
		{`multiline: none`, &agent.Container{Image: "php:8-fpm", Labels: label("auto")}, "php-fpm"},
		{`multiline: java`, &agent.Container{Image: "x", Labels: label("cobol")}, "java"},
		{`multiline: [{image: "shop/*", format: laravel}]`, &agent.Container{Image: "shop/app:1"}, "laravel"},
		{`multiline: [{image: "shop/*", format: laravel}]`, &agent.Container{Image: "python:3"}, "python"},
		{`multiline: [{service: [a, b], image: x, format: go}, {service: a, format: none}]`, &agent.Container{Service: "a", Image: "python:3"}, ""},
		{`multiline: [{service: [a, b], image: x, format: go}, {service: a, format: none}]`, &agent.Container{Service: "b", Image: "x"}, "go"},
	} {
		var c Config
		if _, err := conf.Decode("agent.yaml", []byte("docker: {host: 'unix:///nowhere.sock', "+test.config+"}\n"), &c, conf.Options{}); err != nil {
			t.Fatal(test.config, err)
		}
		var said bytes.Buffer
		got := ""
		if f := c.Docker.Multiline.formats(slog.New(slog.NewTextHandler(&said, nil)))(&agent.Source{Container: test.container}); f != nil {
			got = f.Name()
		}
		if got != test.want {
			t.Errorf("%s: %+v has %q, not %q", test.config, test.container, got, test.want)
		}
		wrong := test.container != nil && test.container.Labels[multilineLabel] == "cobol"
		if strings.Contains(said.String(), "cobol") != wrong {
			t.Errorf("%s: %+v: said %q", test.config, test.container, said.String())
		}
	}
}

// The format of a file is what its section says.
func TestFileFormat(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                            "a| b|c",
		`{multiline: none}`:             "a| b|c",
		`{multiline: {start: '^[ac]'}}`: "a\n b|c",
		`{multiline: {continue: '^ '}}`: "a\n b|c",
		`{multiline: java}`:             "a| b|c",
	} {
		var f, again Files
		for _, f := range []*Files{&f, &again} {
			if _, err := conf.Decode("agent.yaml", []byte(config), f, conf.Options{}); err != nil {
				t.Fatal(config, err)
			}
		}
		if !reflect.DeepEqual(f, again) {
			t.Errorf("%s: a reload takes it for another one", config)
		}
		format := f.Multiline.formats()(&agent.Source{})
		got, s := "a", multiline.State(0)
		for i, l := range []string{"a", " b", "c"} {
			joins := false
			if format != nil {
				s, joins = format.Next(s, []byte(l))
			}
			if i > 0 {
				got += map[bool]string{true: "\n", false: "|"}[joins] + l
			}
		}
		if got != want {
			t.Errorf("%s: %q, not %q", config, got, want)
		}
	}
}
