package setup

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"
)

const ownService = "logkeel"

// A Plan is what is configured.
type Plan struct {
	*Found
	Packs         []string
	Stores        []Target // databases, Redis and Valkey
	Pages         []Target
	Logs          []LogFiles
	Backups       []BackupSet
	Local         bool // all are in the host's network, and the agent is as well
	Logins        bool // there is what people log in to
	RootIsPrivate bool // of the machine: / is no shared mount, which rslave takes
	Networks      []Network
	Rows          []Row
	Missing       []string // what could not be found, or has to be done

	MailTo         []string
	SMTP, MailFrom string
	Fluentd, Image string
	Webhook        bool
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
	p.Local = onHost(f)
	p.RootIsPrivate = f.Engine && rootIsPrivate(root)
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
		p.guards(roles)
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
	p.Backups = findBackups(root, f)
	if len(p.Backups) == 0 && len(p.Stores) > 0 {
		p.Missing = append(p.Missing, "no folder with backups was found, beside the Compose file or in a mount: name it under collectors.backups, and what a backup has in it")
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
	host := p.hostOf(s)
	if host == "" {
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
	if s.Port > 0 {
		port = s.Port
	}
	if k == MariaDB && !s.Measured {
		p.Missing = append(p.Missing, fmt.Sprintf("%s: MariaDB measures no single statements unless it is told to: command: [\"--performance-schema=ON\"], or performance_schema=ON in its my.cnf", s.Name))
	}
	if k == Postgres && !s.Measured {
		p.Missing = append(p.Missing, fmt.Sprintf("%s: PostgreSQL measures no single statements unless it is told to: command: [postgres, -c, shared_preload_libraries=pg_stat_statements], and as a superuser CREATE EXTENSION pg_stat_statements in its database postgres; or write statements: {limit: 0} in agent.yaml", s.Name))
	}
	t := Target{Service: s, Kind: k, Name: taken.name(s.Name), Address: fmt.Sprintf("%s:%d", host, port)}
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
			prefix = slug(name)
		}
	}
	return queues, prefix
}

// slug is the prefix that Laravel makes of an application's name: signs go, blanks
// and hyphens become _. "" where letters are to be written in others first.
func slug(name string) string {
	name = strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(name), "-", "_"), "@", "_at_")
	if strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
		return ""
	}
	return strings.Trim(betweenWords.ReplaceAllString(otherThanSlug.ReplaceAllString(name, ""), "_"), "_") + "_database_"
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
