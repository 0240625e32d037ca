package setup

import (
	"fmt"
	"slices"
	"strings"
)

// onHost says that there are services in the host's network, and none that has a
// name in a network of its own: the agent is beside them only there.
func onHost(f *Found) bool {
	host := false
	for i := range f.Services {
		if f.Services[i].Host != "" {
			return false
		}
		host = host || f.Services[i].HostNet
	}
	return host
}

// hostOf is how the agent reaches a service; "" where it cannot.
func (p *Plan) hostOf(s *Service) string {
	if p.Local && s.HostNet {
		return "127.0.0.1"
	}
	return s.Host
}

// listen is where the agent's own page is.
func (p *Plan) listen() string {
	if p.Local {
		return "127.0.0.1:9765"
	}
	return "0.0.0.0:9765"
}

// ports are those that a page may be at. A container in the host's network publishes
// none: what it listens at is that of the host, and often in a variable.
func (p *Plan) ports(s *Service) []Port {
	if !p.Local || !s.HostNet {
		return s.Ports
	}
	var all []Port
	for _, name := range []string{"PORT", "APP_PORT", "HTTP_PORT"} {
		if n := number(s.Env[name]); n > 0 {
			return []Port{{Container: n, Host: n}}
		}
	}
	for _, port := range s.Ports {
		all = append(all, Port{Container: port.Container, Host: port.Container})
	}
	return all
}

// web is the port of a service's page; tls says that there is one with TLS.
func (p *Plan) web(s *Service, roles []Role) (best Port, tls bool) {
	web := slices.ContainsFunc(roles, func(r Role) bool { return r.Kind.web() })
	for _, port := range p.ports(s) {
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
	return best, tls
}

// page adds the pages that a service publishes, and says so.
func (p *Plan) page(s *Service, roles []Role, taken names, answers func(string) bool) string {
	if slices.ContainsFunc(roles, func(r Role) bool { return r.Kind.store() }) {
		return ""
	}
	best, tls := p.web(s, roles)
	if best.Container == 0 {
		if tls {
			p.Missing = append(p.Missing, s.Name+" publishes HTTPS only: name the page by its own name, as in its certificate, under collectors.http")
		}
		return ""
	}
	host := p.hostOf(s)
	base := fmt.Sprintf("http://%s:%d", host, best.Container)
	if host == "" || slices.ContainsFunc(p.Pages, func(t Target) bool { return strings.HasPrefix(t.Address, base+"/") }) {
		return ""
	}
	asks := func(where string) bool {
		address := best.Address
		if address == "" {
			address = "127.0.0.1"
		}
		return answers != nil && answers(fmt.Sprintf("http://%s:%d%s", address, best.Host, where))
	}
	where := "/"
	if s.Health != "" && s.HealthOn == best.Container {
		where = s.Health
	} else {
		for _, try := range []string{"/health", "/up", "/healthz"} {
			if asks(try) {
				where = try
				break
			}
		}
	}
	p.Pages = append(p.Pages, Target{Service: s, Name: taken.name(s.Name), Address: base + where, Loose: where == "/"})
	said := "asked for " + where
	if len(roles) > 0 && asks("/login") {
		// A health check is answered also where pages are slow.
		p.Pages = append(p.Pages, Target{Service: s, Name: taken.name(s.Name + "-login"), Address: base + "/login"})
		said += " and /login"
	}
	p.join(s)
	return said
}
