package redis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// maxLines bounds how much of INFO is looked at.
const maxLines = 50_000

// An info is INFO, as far as later lines need earlier ones.
type info struct {
	out      *page
	fields   map[string]string // that become labels
	commands map[string]usage
	host     agent.Label // the master that the next lines are of
	port     agent.Label
	hasDB    bool // the application's database has a line
	db       string
}

type usage struct{ calls, usec float64 }

// writeInfo makes samples of the text of INFO. db is the database that the
// application uses; now counts where the server does not say its own time.
// It returns the fields that are in labelFields.
func writeInfo(text string, db int, now time.Time, out *page) (map[string]string, error) {
	in := &info{
		out: out, fields: map[string]string{}, commands: map[string]usage{}, db: "db" + strconv.Itoa(db),
		host: agent.Label{Name: "master_host"}, port: agent.Label{Name: "master_port"},
	}
	section, n := "", 0
	for line := range strings.Lines(text) {
		if n++; n > maxLines {
			return in.fields, errors.Join(fmt.Errorf("INFO has more than %d lines; the rest is left out", maxLines), out.end())
		}
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "# "); ok {
			section = name
			continue
		}
		if key, value, ok := strings.Cut(line, ":"); ok {
			in.line(section, key, value)
		}
	}
	if len(in.fields) == 0 {
		return nil, errors.New("INFO has no fields; is this a Redis server?")
	}
	in.finish(now)
	return in.fields, out.end()
}

func (in *info) line(section, key, value string) {
	in.out.field = key
	switch section {
	case "Commandstats":
		in.command(key, value)
		return
	case "Errorstats":
		in.errorCount(key, value)
		return
	case "Latencystats":
		in.latency(key, value)
		return
	case "Keyspace":
		in.keyspace(key, value)
		return
	case "Replication":
		if in.master(key, value) || in.replica(key, value) {
			return
		}
	}
	if labelFields[key] {
		in.fields[key] = value
	}
	if m, ok := gauges[key]; ok {
		if v, ok := in.out.number(value); ok {
			in.out.gauge("redis_"+m, help(key), v)
		}
	} else if m, ok := counters[key]; ok {
		if v, ok := in.out.number(value); ok {
			in.out.counter("redis_"+m, help(key), v)
		}
	} else if key == "latest_fork_usec" {
		if v, ok := in.out.number(value); ok {
			in.out.gauge("redis_latest_fork_seconds", "How long the last fork took.", v/1e6)
		}
	} else if thread, ok := strings.CutPrefix(key, "used_active_time_io_thread_"); ok && isDigits(thread) {
		if v, ok := in.out.number(value); ok {
			in.out.counter("redis_active_time_io_thread_seconds_total", "Time that the I/O thread was busy.", v, agent.Label{Name: "thread", Value: thread})
		}
	}
}

// finish writes what is made of several fields.
func (in *info) finish(now time.Time) {
	f := in.fields
	mode := f["redis_mode"]
	if mode == "" {
		mode = f["server_mode"] // Valkey
	}
	in.out.gauge("redis_instance_info", "What the server is; always 1.", 1, labels(
		"role", f["role"], "redis_version", f["redis_version"], "redis_build_id", f["redis_build_id"], "redis_mode", mode,
		"os", f["os"], "maxmemory_policy", f["maxmemory_policy"], "tcp_port", f["tcp_port"], "run_id", f["run_id"],
		"process_id", f["process_id"], "master_replid", f["master_replid"])...)
	for _, name := range []string{"role", "redis_version", "maxmemory_policy"} {
		if f[name] != "" {
			in.out.main = append(in.out.main, agent.Field{Name: name, Value: short(f[name])})
		}
	}
	if f["role"] == "slave" {
		in.out.gauge("redis_slave_info", "What the replica is; always 1.", 1,
			labels("master_host", f["master_host"], "master_port", f["master_port"], "read_only", f["slave_read_only"])...)
	}
	if up, err := strconv.ParseInt(f["uptime_in_seconds"], 10, 64); err == nil {
		// The server's own clock, for ours may differ.
		if us, err := strconv.ParseInt(f["server_time_usec"], 10, 64); err == nil {
			now = time.UnixMicro(us)
		}
		in.out.gauge("redis_start_time_seconds", "When the server was started, in seconds since 1970.", float64(now.Unix())-float64(up))
	}
	if !in.hasDB {
		in.out.empty(in.db)
	}
	in.out.main = append(in.out.main, agent.Field{Name: "redis_db_keys", Value: in.out.keys}) // of all
}

// empty says that the database has no keys, unless there is more to say of it.
func (p *page) empty(db string) {
	p.gauge("redis_db_keys", helpKeys, 0, agent.Label{Name: "db", Value: db})
	p.gauge("redis_db_keys_expiring", helpExpiring, 0, agent.Label{Name: "db", Value: db})
}

// master reads what a replica says of its master. KeyDB has several, as
// master_1_host.
func (in *info) master(key, value string) bool {
	rest, ok := strings.CutPrefix(key, "master_")
	if digits, after, found := strings.Cut(rest, "_"); ok && found && isDigits(digits) {
		rest = after
	}
	name := ""
	switch {
	case key == "slave_repl_offset":
		name = key
	case !ok:
		return false
	case rest == "host":
		in.host.Value = value
		in.fields[key] = value
		return true
	case rest == "port":
		in.port.Value = value
		in.fields[key] = value
		return true
	case rest == "link_status":
		up := 0.0
		if value == "up" {
			up = 1
		}
		in.out.gauge("redis_master_link_up", "Whether the replica has its master.", up, in.host, in.port)
		return true
	case rest == "last_io_seconds_ago" || rest == "sync_in_progress":
		name = "master_" + rest
	default:
		return false
	}
	if v, ok := in.out.number(value); ok {
		in.out.gauge("redis_"+name, help(name), v, in.host, in.port)
	}
	return true
}

// replica reads slave0:ip=10.0.0.1,port=6379,state=online,offset=42,lag=0.
func (in *info) replica(key, value string) bool {
	digits, ok := strings.CutPrefix(key, "slave")
	if !ok || !isDigits(digits) {
		return false
	}
	ip, _ := part(value, "ip")
	port, _ := part(value, "port")
	state, _ := part(value, "state")
	which := labels("slave_ip", ip, "slave_port", port, "slave_state", state)
	if text, ok := part(value, "offset"); ok {
		if v, ok := in.out.number(text); ok {
			in.out.gauge("redis_connected_slave_offset_bytes", "How far the replica is.", v, which...)
		}
	}
	if text, ok := part(value, "lag"); ok {
		if v, ok := in.out.number(text); ok && v >= 0 {
			in.out.gauge("redis_connected_slave_lag_seconds", "How long ago the replica was heard of.", v, which...)
		}
	}
	return true
}

// command reads cmdstat_get:calls=2,usec=18,usec_per_call=9.00,rejected_calls=0,failed_calls=0.
func (in *info) command(key, value string) {
	command, ok := strings.CutPrefix(key, "cmdstat_")
	if !ok {
		return
	}
	cmd := agent.Label{Name: "cmd", Value: command}
	number := func(name string) (float64, bool) {
		text, ok := part(value, name)
		if !ok {
			return 0, false
		}
		return in.out.number(text)
	}
	calls, hasCalls := number("calls")
	usec, hasTime := number("usec")
	if !hasCalls || !hasTime {
		return
	}
	in.commands[command] = usage{calls, usec}
	in.out.counter("redis_commands_total", "Calls of the command.", calls, cmd)
	in.out.counter("redis_commands_duration_seconds_total", "Time that the command took.", usec/1e6, cmd)
	if v, ok := number("rejected_calls"); ok {
		in.out.counter("redis_commands_rejected_calls_total", "Calls that failed before they were executed.", v, cmd)
	}
	if v, ok := number("failed_calls"); ok {
		in.out.counter("redis_commands_failed_calls_total", "Calls that failed while they were executed.", v, cmd)
	}
}

// errorCount reads errorstat_WRONGTYPE:count=1.
func (in *info) errorCount(key, value string) {
	name, ok := strings.CutPrefix(key, "errorstat_")
	text, has := part(value, "count")
	if !ok || !has {
		return
	}
	if v, ok := in.out.number(text); ok {
		in.out.counter("redis_errors_total", "Errors that were answered, by their code.", v, agent.Label{Name: "err", Value: name})
	}
}

// latency reads latency_percentiles_usec_set:p50=7.007,p99=11.007,p99.9=11.007,
// as the series of a summary.
func (in *info) latency(key, value string) {
	name, ok := strings.CutPrefix(key, "latency_percentiles_usec_")
	total, has := in.commands[name]
	if !ok || !has {
		return
	}
	const metric, help = "redis_latency_percentiles_usec", "Distribution of the command's time, in microseconds."
	cmd := agent.Label{Name: "cmd", Value: name}
	for item := range strings.SplitSeq(value, ",") {
		name, text, _ := strings.Cut(item, "=")
		p, err := strconv.ParseFloat(strings.TrimPrefix(name, "p"), 64)
		v, ok := in.out.number(text)
		if err != nil || !ok {
			continue
		}
		in.out.gauge(metric, help, v, cmd, agent.Label{Name: "quantile", Value: strconv.FormatFloat(p, 'g', -1, 64)})
	}
	in.out.counter(metric+"_sum", help, total.usec, cmd)
	in.out.counter(metric+"_count", help, total.calls, cmd)
}

const (
	helpKeys     = "Keys in the database."
	helpExpiring = "Keys that expire."
)

// keyspace reads db0:keys=2,expires=1,avg_ttl=0.
func (in *info) keyspace(key, value string) {
	digits, ok := strings.CutPrefix(key, "db")
	if !ok || !isDigits(digits) {
		return
	}
	if key == in.db {
		in.hasDB = true
	}
	db := agent.Label{Name: "db", Value: key}
	gauge := func(name, metric, help string, scale float64) {
		text, ok := part(value, name)
		if !ok {
			return
		}
		if v, ok := in.out.number(text); ok {
			in.out.gauge(metric, help, v*scale, db)
		}
	}
	gauge("keys", "redis_db_keys", helpKeys, 1)
	gauge("expires", "redis_db_keys_expiring", helpExpiring, 1)
	gauge("avg_ttl", "redis_db_avg_ttl_seconds", "Mean time until those keys expire.", 1e-3)
	gauge("cached_keys", "redis_db_keys_cached", "Keys in KeyDB's cache.", 1)
	gauge("subexpiry", "redis_db_keys_with_expiring_items", "Keys with items that expire.", 1)
	gauge("keys_with_volatile_items", "redis_db_keys_with_expiring_items", "Keys with items that expire.", 1)
}

// part is b of name in a=1,name=b,c=3.
func part(list, name string) (string, bool) {
	for item := range strings.SplitSeq(list, ",") {
		if key, value, ok := strings.Cut(item, "="); ok && key == name {
			return value, true
		}
	}
	return "", false
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// labels makes labels of names and values in turn.
func labels(pairs ...string) []agent.Label {
	ls := make([]agent.Label, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		ls = append(ls, agent.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return ls
}
