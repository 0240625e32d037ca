package setup

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const ownService = "logkeel"

// A Plan is what is configured.
type Plan struct {
	*Found
	Packs    []string
	Stores   []Target // databases, Redis and Valkey
	Pages    []Target
	Logs     []LogFiles
	Backups  string // folder; "" where there is none
	Networks []Network
	Rows     []Row
	Missing  []string // what could not be found, or has to be done

	MailTo         []string
	SMTP, MailFrom string
	Fluentd, Image string
}

// A Target is a server that is sampled, or a page.
type Target struct {
	Service *Service
	Kind    Kind
	Name    string
	Address string // host:port, or a URL
	Prefix  string // of Laravel's queues; "" where it is not known
	Queues  bool
	Loose   bool // a redirection is an answer as well
}

// A Row says of a service what it is, how that is known, and what is done.
type Row struct{ Service, Kind, How, Done string }

// makePlan decides what is configured for what was found. answers says whether a URL
// of this machine answers with success; where it is nil none is asked.
func makePlan(f *Found, root fs.FS, answers func(url string) bool) *Plan {
	p := &Plan{Found: f, Packs: []string{"operations", "samples"}}
	taken := names{}
	var unread []string
	p.Logs, unread = findLogs(root, f)
	queues, prefix := laravelQueues(f)
	for i := range f.Services {
		s := &f.Services[i]
		roles := recognise(s)
		row := Row{Service: s.Name, Kind: "not known", How: "image " + s.Image}
		if s.Image == "" {
			row.How = "no image"
		}
		done := []string{"container's log"}
		var kinds, how []string
		for _, r := range roles {
			kinds, how = append(kinds, string(r.Kind)), append(how, r.How)
			p.pack(r.Kind)
			if r.Kind.store() {
				done = append(done, p.store(s, r.Kind, taken, queues, prefix))
			}
		}
		if len(roles) > 0 {
			row.Kind, row.How = strings.Join(kinds, ", "), strings.Join(slices.Compact(how), ", ")
		}
		if what := p.page(s, roles, taken, answers); what != "" {
			done = append(done, what)
		}
		for _, l := range p.Logs {
			if l.Service == s.Name {
				done = append(done, "files "+l.Glob)
			}
		}
		p.log(s)
		row.Done = strings.Join(done, "; ")
		p.Rows = append(p.Rows, row)
	}
	for _, u := range unread {
		p.Missing = append(p.Missing, fmt.Sprintf("%s cannot be looked into from here (run as root, on the machine of the engine): where logs may be in it is a guess, or left out", u))
	}
	if f.Dir != "" {
		dir := path.Join(f.Dir, "backups")
		if info, err := fs.Stat(root, strings.TrimPrefix(dir, "/")); err == nil && info.IsDir() {
			p.Backups = dir
		}
	}
	slices.SortFunc(p.Packs[2:], strings.Compare)
	p.Packs = slices.Compact(p.Packs)
	return p
}

// pack adds the packs that are for a kind.
func (p *Plan) pack(k Kind) {
	add := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(p.Packs, n) {
				p.Packs = append(p.Packs, n)
			}
		}
	}
	add("auth", "slow")
	switch {
	case k == Laravel || k == PHP:
		add("laravel", "web", "attacks")
	case k.web():
		add("web", "attacks")
	case k.application():
		add("attacks")
	case k.mysql():
		add("mariadb")
	case k.redis():
		add("redis")
	case k == Postgres:
		add("postgres")
	}
}

// store adds a server that is sampled, and says so.
func (p *Plan) store(s *Service, k Kind, taken names, queues bool, prefix string) string {
	if s.Host == "" {
		p.Missing = append(p.Missing, fmt.Sprintf("%s has no name in a network of its own: a container beside it cannot reach it; put it into a network, and add it to agent.yaml", s.Name))
		return "not sampled"
	}
	port := 3306
	switch {
	case k.redis():
		port = 6379
	case k == Postgres:
		port = 5432
	}
	t := Target{Service: s, Kind: k, Name: taken.name(s.Name), Address: fmt.Sprintf("%s:%d", s.Host, port)}
	if k.redis() {
		t.Queues, t.Prefix = queues, prefix
	}
	p.Stores = append(p.Stores, t)
	p.join(s)
	return "sampled at " + t.Address
}

// join adds the networks in which the service is reached: one is enough.
func (p *Plan) join(s *Service) {
	for _, n := range s.Networks {
		if slices.Contains(p.Networks, n) {
			return
		}
	}
	if len(s.Networks) > 0 {
		p.Networks = append(p.Networks, s.Networks[0])
	}
}

// laravelQueues says whether queues are in Redis, and what is in front of their
// names, "" where that is not known.
func laravelQueues(f *Found) (queues bool, prefix string) {
	for i := range f.Services {
		s := &f.Services[i]
		if s.Env["QUEUE_CONNECTION"] != "redis" {
			continue
		}
		queues = true
		if _, ok := s.Env["REDIS_PREFIX"]; ok {
			return true, s.Env["REDIS_PREFIX"]
		}
		if name := s.Env["APP_NAME"]; name != "" {
			prefix = strings.Trim(otherThanSlug.ReplaceAllString(strings.ToLower(name), "_"), "_") + "_database_"
		}
	}
	return queues, prefix
}

// page adds the page that a service publishes, and says so.
func (p *Plan) page(s *Service, roles []Role, taken names, answers func(string) bool) string {
	best := Port{}
	web := false
	for _, r := range roles {
		if r.Kind.store() {
			return ""
		}
		web = web || r.Kind.web()
	}
	tls := false
	for _, port := range s.Ports {
		switch {
		case port.Host == 0:
		case port.Container == 443 || port.Container == 8443:
			tls = true
		case slices.Contains([]int{80, 3000, 4000, 5000, 8000, 8080, 8888}, port.Container) || (web || len(roles) > 0) && best.Container == 0:
			if best.Container == 0 || port.Container < best.Container {
				best = port
			}
		}
	}
	if best.Container == 0 {
		if tls {
			p.Missing = append(p.Missing, s.Name+" publishes HTTPS only: name the page by its own name, as in its certificate, under collectors.http")
		}
		return ""
	}
	if s.Host == "" {
		return ""
	}
	where := "/"
	if s.Health != "" && s.HealthOn == best.Container {
		where = s.Health
	} else {
		address := best.Address
		if address == "" {
			address = "127.0.0.1"
		}
		for _, try := range []string{"/health", "/up", "/healthz"} {
			if answers != nil && answers(fmt.Sprintf("http://%s:%d%s", address, best.Host, try)) {
				where = try
				break
			}
		}
	}
	t := Target{Service: s, Name: taken.name(s.Name), Address: fmt.Sprintf("http://%s:%d%s", s.Host, best.Container, where), Loose: where == "/"}
	p.Pages = append(p.Pages, t)
	p.join(s)
	return "asked for " + where
}

// log says what is wrong with how a container's log is kept.
func (p *Plan) log(s *Service) {
	say := func(format string, args ...any) {
		p.Missing = append(p.Missing, s.Name+": "+fmt.Sprintf(format, args...))
	}
	switch d := s.Log.Driver; {
	case d == "none":
		say("its log driver is none: nothing of it can be read")
	case d == "fluentd" && !s.Log.Async:
		say("its log driver fluentd is not asynchronous: it does not start while the aggregator is away; set fluentd-async: \"true\"")
	case p.Engine && d == "json-file" && s.Log.MaxSize == "":
		say("its log grows without a limit; set max-size: 10m and max-file: \"3\" under logging")
	case d == "json-file" && s.Log.MaxSize != "" && (s.Log.MaxFile == "" || s.Log.MaxFile == "1"):
		say("its log has one file (max-file), which is gone at each rotation; set max-file: \"3\"")
	}
	if s.TTY {
		say("it has a terminal (tty: true): errors cannot be told from other output, and colours are in the lines")
	}
}
