package main

import (
	"embed"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// conf has a folder a kind of contender: templates of its configuration.
//
//go:embed conf
var conf embed.FS

// A contender is a program that is measured.
type contender struct {
	name     string
	kind     string   // its folder in conf, if it has one
	programs []string // any of them will do
	path     string   // of the one that was found
	args     []string // templates as well
	protocol string   // how it ships
	texts    bool     // records that are shipped have their text
	joins    bool     // it puts Docker's pieces together again
	part     int64    // of the corpus, for those that would take long: 1/part
	tasks    []string
	check    checker // what is known of its work where nothing is shipped; may be nil
}

// A setup is what templates get.
type setup struct {
	Docker  string // root of a Docker engine's folders
	Log     string // the log, or a pattern of all logs
	Work    string // a folder for whatever it writes
	Port    int    // of the receiver, on 127.0.0.1
	Metrics int    // a free port on 127.0.0.1
	Rules   []rule // none: no rules
	Ship    string // all, flagged, or "" for none
	Ack     bool
	Gzip    bool
	Redact  bool   // cut secrets
	Labels  bool   // the container is one of a Compose project
	Shipped bool   // with all that an ordinary configuration has beside
	Variant string // of the contender: what its name has after a comma
}

var (
	allTasks = []string{
		"t1", "t2", "t1-as-shipped", "t2-as-shipped", "t2-hits", "t3", "t3-ack", "t3-gzip", "t3-as-shipped", "storm",
		"down", "idle", "latency", "start",
	}
	agentOnly = []string{"t1", "t2", "t2-hits", "t3", "t3-ack", "t3-gzip", "storm", "down", "idle", "latency", "start"}
	noAcks    = []string{"t1", "t2", "t2-hits", "t3", "idle", "latency", "start"}
)

// noRules is the variant of a contender that is spared the rules.
const noRules = "no rules"

// noAlerts is the variant of ours whose rules are counted, and nobody is told.
const noAlerts = "no alerts"

// ours is the contender that the others are compared to.
const ours = "logkeel"

func logkeel(name, path string) *contender {
	return &contender{
		name: name, kind: ours, path: path, args: []string{"run", "--config", "{{.Work}}/agent.yaml"},
		protocol: "forward", texts: true, joins: true, part: 1, tasks: allTasks, check: checkMetrics,
	}
}

// peers are the programs that are looked for. Those that are slow get a part of
// the corpus; what is compared is a rate.
func peers() []*contender {
	fluentBit := []string{"-c", "{{.Work}}/agent.conf"}
	union := "{{range $i, $r := .Rules}}{{if $i}}|{{end}}{{$r.Expr}}{{end}}"
	return []*contender{
		{name: "fluent-bit", kind: "fluent-bit", programs: []string{"fluent-bit"}, args: fluentBit, protocol: "forward", texts: true, part: 4, tasks: agentOnly},
		{name: "fluent-bit, grep", kind: "fluent-bit", programs: []string{"fluent-bit"}, args: fluentBit, protocol: "forward", texts: true, part: 4, tasks: []string{"t2", "t2-hits"}},
		{name: "fluent-bit, tuned", kind: "fluent-bit", programs: []string{"fluent-bit"}, args: fluentBit, protocol: "forward", texts: true, part: 2, tasks: []string{"t1"}},
		{name: "fluent-bit, no rules", kind: "fluent-bit", programs: []string{"fluent-bit"}, args: fluentBit, protocol: "forward", texts: true, part: 2, tasks: []string{"t3", "t3-ack"}},
		{name: "vector", kind: "vector", programs: []string{"vector"}, args: []string{"--config", "{{.Work}}/agent.yaml"}, protocol: "lines", part: 1, tasks: noAcks},
		{name: "otelcol", kind: "otelcol", programs: []string{"otelcol-contrib", "otelcol"}, args: []string{"--config", "{{.Work}}/agent.yaml"}, protocol: "otlp", part: 5, tasks: noAcks},
		{name: "rsyslog", kind: "rsyslog", programs: []string{"rsyslogd"}, args: []string{"-n", "-f", "{{.Work}}/agent.conf", "-i", "{{.Work}}/pid"}, protocol: "lines", part: 5, tasks: noAcks},
		{name: "mtail", kind: "mtail", programs: []string{"mtail"}, args: []string{"--one_shot", "--logtostderr", "--address", "127.0.0.1", "--port", "{{.Metrics}}", "--progs", "{{.Work}}/rules.mtail", "--logs", "{{.Log}}"}, part: 20, tasks: []string{"t2"}, check: checkMtail},
		{name: "rg, one expression", programs: []string{"rg"}, args: []string{"--no-config", "--no-mmap", "-j1", "-c", union, "{{.Log}}"}, part: 1, tasks: []string{"t2"}, check: checkCount},
		{name: "grep, one expression", programs: []string{"grep"}, args: []string{"-cE", "{{range $i, $r := .Rules}}{{if $i}}|{{end}}{{posix $r.Expr}}{{end}}", "{{.Log}}"}, part: 1, tasks: []string{"t2"}, check: checkCount},
	}
}

// find looks for the peers' programs. names picks some; none of them, all.
func find(all []*contender, names []string) (found []*contender, missing []string) {
	for _, c := range all {
		if len(names) > 0 && !slices.Contains(names, strings.Split(c.name, ",")[0]) {
			continue
		}
		for _, p := range c.programs {
			if at, err := exec.LookPath(p); err == nil {
				c.path = at
				break
			}
		}
		switch {
		case c.path != "":
			found = append(found, c)
		case !slices.Contains(missing, c.programs[0]):
			missing = append(missing, c.programs[0])
		}
	}
	return found, missing
}

func (c *contender) does(task string) bool { return slices.Contains(c.tasks, task) }

// dialects write a rule's expression as the contenders want it.
var dialects = template.FuncMap{
	// Words of Fluent Bit's configuration are separated by spaces.
	"spaceless": func(expr string) string { return strings.ReplaceAll(expr, " ", `\s`) },
	// The text without (?i), and whether it had one: some have an option for it.
	"plain": func(expr string) string { return strings.TrimPrefix(expr, "(?i)") },
	"anyCase": func(expr string) bool {
		return strings.HasPrefix(expr, "(?i)")
	},
	"posix": posix,
}

// posix writes (?i) as POSIX can say it: [aA] in the place of a.
func posix(expr string) string {
	text, anyCase := strings.CutPrefix(expr, "(?i)")
	if !anyCase {
		return expr
	}
	var b strings.Builder
	for _, r := range text {
		if up := strings.ToUpper(string(r)); up != string(r) {
			b.WriteString("[" + string(r) + up + "]")
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// prepare writes the configuration to s.Work and returns the command line.
func (c *contender) prepare(s setup) ([]string, error) {
	_, s.Variant, _ = strings.Cut(c.name, ", ")
	if s.Variant == noRules {
		s.Rules = nil
	}
	if c.kind != "" {
		dir := path.Join("conf", c.kind)
		files, err := fs.ReadDir(conf, dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			text, err := conf.ReadFile(path.Join(dir, f.Name()))
			if err != nil {
				return nil, err
			}
			out, err := render(f.Name(), string(text), s)
			if err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(s.Work, f.Name()), []byte(out), 0o600); err != nil {
				return nil, err
			}
		}
	}
	command := []string{c.path}
	for _, a := range c.args {
		out, err := render("argument", a, s)
		if err != nil {
			return nil, err
		}
		command = append(command, out)
	}
	return command, nil
}

func render(name, text string, s setup) (string, error) {
	t, err := template.New(name).Funcs(dialects).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, s)
	return b.String(), err
}
