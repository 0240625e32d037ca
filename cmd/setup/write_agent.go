package setup

import (
	"net"
	"regexp"
	"strings"
)

// agentYAML is the configuration.
func (p *Plan) agentYAML() string {
	w := &page{}
	w.comment("", "logkeel's configuration, made by `logkeel init` of %s.", p.Origin)
	w.line("# For the service logkeel of compose.logkeel.yaml. Paths are the same in it and")
	w.line("# outside, so that `logkeel check` and `logkeel scan` work on the machine as well.")
	w.line("# ${NAME} is of the environment: put NAME=... into .env beside the Compose file.")
	w.line("# A secret may lie in a file as well: password_file in place of password.")
	w.line("")
	w.line("state_dir: /state   # positions and unsent records: a volume")
	w.line("")
	w.line("collectors:")
	w.line("  docker:")
	w.line("    root: %s", quote(p.Root))
	if h := p.host(); h == defaultHost {
		w.line("    host: %s", h)
	} else {
		w.line("    host: %s", quote(h))
	}
	if p.Project != "" {
		w.line("    include: [{project: %s}]   # without it: all containers of the machine", quote(p.Project))
	}
	w.line("    stats: {}   # CPU, memory, health and ends of each container")
	w.line("  host: {root: /host}   # disks, memory, load")
	p.writeLogs(w)
	p.writeStores(w)
	p.writePages(w)
	p.writeBackups(w)
	w.line("")
	w.line("rules:")
	w.line("  packs: [%s]", strings.Join(p.Packs, ", "))
	w.line("  files: rules/*.yaml   # your own: rules/own.yaml shows how")
	w.line("")
	p.writeOutputs(w)
	return w.b.String()
}

func (p *Plan) writeLogs(w *page) {
	if len(p.Logs) == 0 {
		return
	}
	taken := names{"docker": true}
	w.line("  files:")
	for _, l := range p.Logs {
		if l.Seen == 0 {
			w.line("    # Nothing is known to be there yet: it is waited for.")
		}
		w.line("    - name: %s", quote(taken.name(l.Service)))
		w.line("      paths: %s", quote(l.Glob))
		labels := "service: " + quote(l.Service)
		if p.Project != "" {
			labels += ", project: " + quote(p.Project)
		}
		w.line("      labels: {%s}", labels)
		if l.Format != "" {
			w.line("      multiline: %s   # what belongs together is one record", l.Format)
		}
	}
}

func (p *Plan) writeStores(w *page) {
	for _, kind := range []string{"mysql", "postgres", "redis"} {
		first := true
		for i := range p.Stores {
			t := &p.Stores[i]
			if t.section() != kind {
				continue
			}
			if first {
				w.line("  %s:", kind)
				first = false
			}
			if kind == "redis" {
				t.writeRedis(w)
			} else {
				t.writeDatabase(w)
			}
		}
	}
}

// section is the key under collectors.
func (t *Target) section() string {
	switch {
	case t.Kind.redis():
		return "redis"
	case t.Kind == Postgres:
		return "postgres"
	}
	return "mysql"
}

func (t *Target) writeDatabase(w *page) {
	w.comment("    ", "A user of its own, that can read no row. As an administrator of %s:", t.Service.Name)
	for _, g := range t.grants() {
		w.comment("    ", "  %s", g)
	}
	w.line("    - name: %s", quote(t.Name))
	w.line("      address: %s", quote(t.Address))
	w.line("      user: logkeel")
	w.line(`      password: "${LOGKEEL_DB_PASSWORD:-}"`)
	if t.Kind == Postgres {
		return
	}
	w.line("      # tables: {}   # sizes and problems of tables: GRANT REFERENCES ON `DATABASE`.* as well")
}

// grants are what an administrator runs.
func (t *Target) grants() []string {
	if t.Kind == Postgres {
		return []string{"CREATE USER logkeel PASSWORD '...';", "GRANT pg_monitor TO logkeel;"}
	}
	const to = " TO 'logkeel'@'%';"
	binlog := "REPLICATION CLIENT"
	if t.Kind == MariaDB {
		binlog = "BINLOG MONITOR, SLAVE MONITOR"
	}
	return []string{
		"CREATE USER 'logkeel'@'%' IDENTIFIED BY '...' WITH MAX_USER_CONNECTIONS 3;",
		"GRANT SELECT ON performance_schema.events_statements_summary_by_digest" + to,
		"GRANT PROCESS, " + binlog + " ON *.*" + to,
	}
}

const redisACL = "ACL SETUSER logkeel on >... resetkeys resetchannels -@all +info +ping +slowlog|len +slowlog|get +config|get +type +llen +zcard +zcount %R~*queues:*"

// beforeRedis7 are images of servers that know no rights to read a key only.
var beforeRedis7 = regexp.MustCompile(`(?i)keydb|:v?6(?:[.-]|$)`)

// acl is the command that makes the agent's user.
func (t *Target) acl() string {
	if beforeRedis7.MatchString(t.Service.Image) {
		return strings.Replace(redisACL, " %R~", " ~", 1)
	}
	return redisACL
}

var underscored = regexp.MustCompile(`^([a-z0-9_]+)_database_$`)

// newer is what new applications have in place of a prefix that was made of a name.
func newer(prefix string) string {
	m := underscored.FindStringSubmatch(prefix)
	if m == nil {
		return ""
	}
	return "; of newer applications " + strings.ReplaceAll(m[1], "_", "-") + "-database-"
}

func (t *Target) writeRedis(w *page) {
	w.line("    # A user of its own, with no right to read values; then username: logkeel below.")
	w.line("    #   %s", t.acl())
	w.line("    - name: %s", quote(t.Name))
	w.line("      address: %s", quote(t.Address))
	if t.Service.Protected || t.Service.has("REDIS_PASSWORD", "VALKEY_PASSWORD", "REDIS_PASSWORD_FILE") != "" {
		w.line(`      password: "${REDIS_PASSWORD:-}"`)
	} else {
		w.line("      # username: logkeel")
		w.line(`      # password: "${REDIS_PASSWORD}"`)
	}
	if t.Service.Policy != "" {
		w.line("      expect: {maxmemory-policy: %s}   # as its command has it", t.Service.Policy)
	}
	mark := ""
	if !t.Queues || t.Prefix == "" {
		mark = "# "
	}
	if t.Queues || mark != "" {
		prefix := t.Prefix
		if prefix == "" {
			prefix = "laravel_database_"
		}
		w.line("      %sprefix: %s   # Laravel's: config/database.php, redis.options.prefix%s", mark, quote(prefix), newer(prefix))
		w.line(`      %squeues: ["queues:default", "queues:default:delayed", "queues:default:reserved"]`, mark)
	}
}

func (p *Plan) writePages(w *page) {
	if len(p.Pages) == 0 {
		w.line("  # http:")
		w.line("  #   - {name: page, url: http://SERVICE:80/health}")
		return
	}
	w.line("  http:")
	for i := range p.Pages {
		t := &p.Pages[i]
		w.line("    - name: %s", quote(t.Name))
		w.line("      url: %s", quote(t.Address))
		if t.Loose {
			w.line("      follow_redirects: false")
			w.line("      expect: {status: [2xx, 3xx]}   # better a page that looks at the database, as /health")
		}
	}
}

func (p *Plan) writeOutputs(w *page) {
	w.line("outputs:")
	w.line("  # At http://127.0.0.1:9765/metrics of the machine.")
	if p.Local {
		w.line("  prometheus: {listen: %s}", p.listen())
	} else {
		w.line("  # All addresses of the container, which is meant (open): compose.logkeel.yaml")
		w.line("  # publishes the port on 127.0.0.1 of the machine only.")
		w.line("  prometheus: {listen: %s, open: true}", p.listen())
	}
	if p.Webhook {
		w.line("  webhook:")
		w.line("    - name: hook")
		w.line(`      url: "${%s}"   # a URL may have a token in it: of .env`, webhookVariable)
	}
	if len(p.MailTo) > 0 {
		w.line("  email:")
		w.line("    - name: ops")
		w.line("      server: %s", quote(p.SMTP))
		if plainServer(p.SMTP) {
			w.line("      security: none   # a server beside it")
		}
		w.line("      # username: logkeel@example.com")
		w.line(`      # password: "${LOGKEEL_SMTP_PASSWORD}"`)
		w.line("      from: %s", quote(p.MailFrom))
		w.line("      to: [%s]", strings.Join(quoted(p.MailTo), ", "))
	} else {
		w.line("  # email:")
		w.line("  #   - name: ops")
		w.line("  #     server: smtp.example.com:587")
		w.line("  #     username: logkeel@example.com")
		w.line(`  #     password: "${LOGKEEL_SMTP_PASSWORD}"`)
		w.line("  #     from: logkeel@example.com")
		w.line("  #     to: [ops@example.com]")
	}
	mark := "# "
	address := "fluentd.example.com:24224"
	if p.Fluentd != "" {
		mark, address = "", p.Fluentd
	}
	w.line("  %sfluentd:", mark)
	w.line("  %s  - name: main", mark)
	w.line("  %s    address: %s", mark, quote(address))
}

func quoted(all []string) []string {
	var out []string
	for _, s := range all {
		out = append(out, quote(s))
	}
	return out
}

// plainServer says that a mail server is a service beside the agent: its name has no
// domain.
func plainServer(server string) bool {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host = server
	}
	return port != "465" && (host == "localhost" || host == "127.0.0.1" || !strings.Contains(host, ".") && !strings.Contains(host, ":"))
}

func (p *Plan) writeBackups(w *page) {
	if len(p.Backups) == 0 {
		w.line("  # backups:")
		w.line("  #   - {name: backups, path: /FOLDER, files: [{match: database.sql.gz}]}")
		return
	}
	taken := names{}
	w.line("  backups:")
	for _, b := range p.Backups {
		w.line("    - name: %s", taken.name("backups"))
		w.line("      path: %s", quote(b.Path))
		if len(b.Files) == 0 {
			w.line("      # files: [{match: database.sql.gz}]   # what each backup must have")
			continue
		}
		w.line("      files:   # what each backup must have: what the newest has")
		for _, f := range b.Files {
			w.line("        - {match: %s}", quote(f))
		}
		w.line("      # max_age: 26h   # a night, and two hours")
	}
}
