package setup

import (
	"path"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// composeYAML is the service. dir is the folder that it is in.
func (p *Plan) composeYAML(dir string) string {
	w := &page{}
	w.comment("", "The service logkeel, made by `logkeel init` of %s.", p.Origin)
	if p.Project != "" {
		w.line("# It goes with the project's own file, from its folder:")
		command := "  docker compose"
		for _, file := range append(p.composeFiles(), path.Join(dir, composeName)) {
			command += " --file " + agent.ShellWord(file)
		}
		w.comment("", "%s up --detach", command)
	} else {
		w.comment("", "  docker compose --file %s up --detach", agent.ShellWord(path.Join(dir, composeName)))
	}
	w.line("services:")
	w.line("  logkeel:")
	w.line("    image: %s", quote(p.Image))
	w.line("    restart: unless-stopped")
	if p.Local {
		w.line("    network_mode: host   # as what it samples")
	} else {
		w.line(`    ports: ["127.0.0.1:9765:9765"]   # the page of metrics needs no password`)
	}
	w.line("    environment:   # of .env, or of the shell")
	variables := []string{"LOGKEEL_DB_PASSWORD", "LOGKEEL_SMTP_PASSWORD", "REDIS_PASSWORD"}
	if p.Webhook {
		variables = append(variables, webhookVariable)
	}
	for _, v := range variables {
		w.line(`      %s: "${%s:-}"`, v, v)
	}
	w.line("    volumes:")
	w.line("      # The folder, and not the file: editors put a new file in the place of the old one.")
	p.bind(w, path.Join(dir, path.Dir(agentName)), "/etc/logkeel")
	if socket, ok := strings.CutPrefix(p.host(), "unix://"); ok {
		w.line("      # Whoever can connect to the socket is master of the engine; a proxy that")
		w.line("      # passes GET is enough: collectors.docker.host names it then.")
		p.bind(w, socket, socket)
	}
	p.bind(w, path.Join(p.Root, "containers"), path.Join(p.Root, "containers"))
	if p.RootIsPrivate {
		w.line("      - /:/host:ro   # without rslave: / is no shared mount here")
	} else {
		w.line("      - /:/host:ro,rslave")
	}
	w.line("      - logkeel-state:/state")
	external := map[string]string{}
	var done []string
	for _, l := range p.Logs {
		m := l.Mount
		if slices.Contains(done, m.Source) {
			continue
		}
		done = append(done, m.Source)
		if m.Volume == "" {
			p.bind(w, m.Source, m.Source)
			continue
		}
		key := m.Volume
		if m.External != "" {
			key = "v-" + otherThanName.ReplaceAllString(key, "-")
			external[key] = m.External
		}
		part := ""
		if m.Subpath != "" {
			part = ", volume: {subpath: " + quote(m.Subpath) + "}"
		}
		w.line("      - {type: volume, source: %s, target: %s, read_only: true%s}", quote(key), quote(m.Source), part)
	}
	for _, b := range p.Backups {
		if !slices.Contains(done, b.Folder) {
			done = append(done, b.Folder)
			p.bind(w, b.Folder, b.Folder)
		}
	}
	p.writeNetworks(w)
	w.line(`    healthcheck: {test: ["CMD", "/logkeel", "health"], interval: 30s, timeout: 5s, start_period: 10s}`)
	w.line("    labels: {logkeel.ignore: \"true\"}   # it does not read what it writes")
	w.line("    read_only: true")
	w.line("    cap_drop: [ALL]")
	w.line("    cap_add: [DAC_READ_SEARCH]   # to read logs whoever owns them, and to write nothing")
	w.line(`    security_opt: ["no-new-privileges:true"]`)
	w.line("    mem_limit: 256m")
	w.line(`    logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}`)
	w.line("")
	w.line("volumes:")
	w.line("  logkeel-state:")
	for _, key := range sortedKeys(external) {
		w.line("  %s: {external: true, name: %s}", quote(key), quote(external[key]))
	}
	first := true
	for _, n := range p.Networks {
		if n.External == "" || p.Local {
			continue
		}
		if first {
			w.line("")
			w.line("networks:")
			first = false
		}
		w.line("  %s: {external: true, name: %s}", quote(n.Key), quote(n.External))
	}
	return w.b.String()
}

// bind writes a folder or a file of the machine, read-only: in the short form, in
// which Compose makes a folder that is not there yet, wherever that is possible.
func (p *Plan) bind(w *page, source, target string) {
	if strings.Contains(source+target, ":") {
		w.line("      - {type: bind, source: %s, target: %s, read_only: true}", quote(source), quote(target))
		return
	}
	w.line("      - %s", quote(source+":"+target+":ro"))
}

func (p *Plan) writeNetworks(w *page) {
	if len(p.Networks) == 0 || p.Local {
		return
	}
	w.line("    networks:")
	for _, n := range p.Networks {
		w.line("      - %s", quote(n.Key))
	}
}
