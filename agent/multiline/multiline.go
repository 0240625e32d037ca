// Package multiline says which lines of a log belong together: the line of an
// error and the stack trace under it are one record.
//
// A format looks at each line once and keeps nothing but a State, so that who
// reads a log decides how long a record is held, and how large it may get.
package multiline

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// A Format says which lines belong together. It is immutable, and safe for many
// goroutines.
type Format struct {
	name string
	next func(s State, line []byte) (next State, joins bool)
}

// A State is what a format remembers of one open record. Zero: none is open.
type State uint8

// Next judges a line, without its line end, where s is the state after the lines
// before it. joins says that it belongs to the open record; it begins another one
// else. next is the state after it: zero says that nothing can follow, so that
// the record need not be held.
func (f *Format) Next(s State, line []byte) (next State, joins bool) { return f.next(s, line) }

// Name is the preset's, or "" for a format of the user's.
func (f *Format) Name() string { return f.name }

// presets are what a configuration may name. Formats that hold only what looks
// like the beginning of a trace cost other lines no delay.
var presets = []*Format{
	{"laravel", phpNext},
	{"php-fpm", phpNext},
	{"java", javaNext},
	{"python", pythonNext},
	{"go", goNext},
	{"node", nodeNext},
	{"dotnet", dotnetNext},
	{"mariadb", mariadbNext},
	{"postgresql", postgresqlNext},
	{"nginx", nginxNext},
}

// Preset returns the format of that name; one of Names.
func Preset(name string) (*Format, bool) {
	for _, f := range presets {
		if f.name == name {
			return f, true
		}
	}
	return nil, false
}

// Names are the presets.
func Names() []string {
	names := make([]string, len(presets))
	for i, f := range presets {
		names[i] = f.name
	}
	return names
}

// images are the presets by the last element of a repository's name. What is not
// here has none: an image's name says little of what somebody built on it.
var images = map[string]string{
	"invoiceninja": "laravel", "invoiceninja-debian": "laravel", "invoiceninja-octane": "laravel", "laravel": "laravel",
	"php": "php-fpm", "php-fpm": "php-fpm", "wordpress": "php-fpm", "nextcloud": "php-fpm", "drupal": "php-fpm", "phpmyadmin": "php-fpm",
	"openjdk": "java", "eclipse-temurin": "java", "temurin": "java", "amazoncorretto": "java", "sapmachine": "java", "ibm-semeru-runtimes": "java",
	"java": "java", "tomcat": "java", "tomee": "java", "jetty": "java", "wildfly": "java", "jenkins": "java", "keycloak": "java", "solr": "java", "cassandra": "java",
	"zookeeper": "java", "kafka": "java", "sonarqube": "java", "nexus3": "java",
	"python": "python", "pypy": "python",
	"golang":  "go",
	"node":    "node",
	"aspnet":  "dotnet",
	"mariadb": "mariadb", "mysql": "mariadb", "mysql-server": "mariadb", "percona": "mariadb", "percona-server": "mariadb",
	"postgres": "postgresql", "postgresql": "postgresql", "postgis": "postgresql", "timescaledb": "postgresql", "pgvector": "postgresql",
	"nginx": "nginx", "nginx-unprivileged": "nginx", "openresty": "nginx",
}

// ForImage returns the format of the logs that containers of an image write, by
// the image's name; nil where that says nothing.
func ForImage(image string) *Format {
	image, _, _ = strings.Cut(image, "@")
	image = image[strings.LastIndexByte(image, '/')+1:]
	image, _, _ = strings.Cut(image, ":")
	f, _ := Preset(images[strings.ToLower(image)])
	return f
}

// Custom makes a format of one regular expression (RE2); the other is "". A line
// that start matches begins a record, and all that follows belongs to it up to
// the next one. A line that cont matches belongs to the line before it.
func Custom(start, cont string) (*Format, error) {
	if (start == "") == (cont == "") {
		return nil, errors.New("exactly one expression is needed: of lines that begin a record, or of lines that continue one")
	}
	re, err := regexp.Compile(start + cont)
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("not an expression: %s in %q", wrong.Code, wrong.Expr)
	} else if err != nil {
		return nil, err
	}
	begins := start != ""
	return &Format{next: func(s State, line []byte) (State, bool) {
		return 1, s != 0 && re.Match(line) != begins
	}}, nil
}
