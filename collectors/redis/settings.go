package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/printable"
)

// An expected setting has to have one of these values.
type expected struct {
	name string
	want []string
}

func expectedOf(c Config) []expected {
	var all []expected
	for name, want := range c.Expect {
		all = append(all, expected{settingName(name), want})
	}
	slices.SortFunc(all, func(a, b expected) int { return strings.Compare(a.name, b.name) })
	return all
}

// reported are the settings that redis_exporter makes metrics of.
var reported = []string{"maxmemory", "maxclients", "io-threads", "databases"}

// settings reads those that are asked for, compares and reports them. What INFO
// says needs no right more, so that much works where CONFIG is not to be had.
func (s *Sampler) settings(ctx context.Context, info map[string]string, out *page) error {
	have := ofInfo(info)
	need := map[string]bool{}
	for _, e := range s.expect {
		if _, ok := have[e.name]; !ok {
			need[e.name] = true
		}
	}
	if s.config {
		for _, name := range reported {
			need[name] = true
		}
	}
	read, refused, err := s.configGet(ctx, slices.Sorted(maps.Keys(need)))
	if err != nil {
		return s.d.explain("config|get", err)
	}
	maps.Copy(have, read)
	if s.config {
		report(have, s.expect, out)
	}
	var errs []error
	var missing []string
	for _, e := range s.expect {
		value, ok := have[e.name]
		switch {
		case ok:
			e.compare(value, out)
		case refused != nil:
			missing = append(missing, e.name)
		default:
			errs = append(errs, fmt.Errorf("the server has no setting %s; look for its name with CONFIG GET '*', or remove it from expect", e.name))
		}
	}
	if refused != nil {
		if len(missing) > 0 {
			refused = fmt.Errorf("not compared with what is expected: %s: %w", strings.Join(missing, ", "), refused)
		}
		errs = append(errs, refused)
	}
	return errors.Join(errs...)
}

// ofInfo are the settings that are in INFO.
func ofInfo(info map[string]string) map[string]string {
	have := map[string]string{}
	for name, field := range map[string]string{"maxmemory": "maxmemory", "maxmemory-policy": "maxmemory_policy", "maxclients": "maxclients"} {
		if v, ok := info[field]; ok {
			have[name] = v
		}
	}
	switch info["aof_enabled"] {
	case "0":
		have["appendonly"] = "no"
	case "1":
		have["appendonly"] = "yes"
	}
	return have
}

// configGet asks for each setting by its name: servers before Redis 7 take one
// only, and a pattern would read passwords as well. The settings that the server
// does not know are missing; refused is why none could be read.
func (s *Sampler) configGet(ctx context.Context, names []string) (have map[string]string, refused, err error) {
	if len(names) == 0 {
		return nil, nil, nil
	}
	var commands []command
	for _, name := range names {
		commands = append(commands, command{"CONFIG", []any{"GET", name}})
	}
	replies, err := s.c.all(ctx, commands)
	if err != nil {
		return nil, nil, err
	}
	have = map[string]string{}
	for i, r := range replies {
		pairs, err := redis.Strings(r.value, r.err)
		switch {
		case unknownCommand(err):
			return nil, errors.New("the server has no CONFIG: it is renamed, or not for its customers; remove these settings and config from the configuration"), nil
		case err != nil:
			return nil, s.d.explain("config|get", err), nil
		}
		for pair := range slices.Chunk(pairs, 2) {
			if len(pair) == 2 && strings.EqualFold(pair[0], names[i]) {
				have[names[i]] = pair[1]
			}
		}
	}
	return have, nil, nil
}

// compare says whether a setting is as expected and, where it is not, what it is.
func (e expected) compare(have string, out *page) {
	setting := agent.Label{Name: "setting", Value: e.name}
	sample := agent.Sample{Name: "logkeel_redis_setting_expected", Help: "Whether the setting has a value that is expected.", Labels: []agent.Label{setting}}
	if slices.ContainsFunc(e.want, func(want string) bool { return sameSetting(e.name, want, have) }) {
		sample.Value = 1
		out.add(sample)
		return
	}
	var wants []string
	for _, w := range e.want {
		wants = append(wants, strconv.Quote(short(w)))
	}
	want := strings.Join(wants, " or ")
	sample.Note = fmt.Sprintf("%s is %q, and should be %s", e.name, short(have), want)
	out.add(sample)
	if len(e.want) == 1 {
		want = e.want[0]
	}
	out.gauge("logkeel_redis_setting_info", "A setting that is not as expected; always 1.", 1,
		setting, agent.Label{Name: "want", Value: short(want)}, agent.Label{Name: "have", Value: short(have)})
	out.record([]agent.Field{{Name: "setting", Value: e.name}, {Name: "want", Value: short(want)}, {Name: "have", Value: short(have)}})
}

// report writes redis_exporter's metrics of CONFIG GET, of the settings that were
// read.
func report(have map[string]string, expect []expected, out *page) {
	names := slices.Clone(reported)
	for _, e := range expect {
		names = append(names, e.name)
	}
	for _, name := range names {
		value, ok := have[name]
		if !ok {
			continue
		}
		key := agent.Label{Name: "key", Value: name}
		out.gauge("redis_config_key_value", "The setting; always 1.", 1, key, agent.Label{Name: "value", Value: short(value)})
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		out.gauge("redis_config_value", "The setting, where it is a number.", n, key)
		switch name {
		case "maxmemory", "maxclients", "io-threads":
			metric := strings.ReplaceAll(name, "-", "_")
			out.gauge("redis_config_"+metric, "The setting "+name+".", n)
		case "databases":
			for db := range int(min(max(n, 0), maxEmpty)) { // what INFO has was written already
				out.empty("db" + strconv.Itoa(db))
			}
		}
	}
}

// maxEmpty bounds the databases that are reported as empty.
const maxEmpty = 256

// short is untrusted text for a label.
func short(s string) string {
	const longest = 100
	s = printable.Line(s)
	if len(s) > longest {
		return strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}
