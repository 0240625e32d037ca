package statuspage

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/history"
)

// A value is a metric that the page shows of a kind of sampler.
type value struct {
	metric string
	name   string
	show   func(float64) string
	of     func(values []float64) float64 // several series; nil: they are added up
}

func greatest(values []float64) float64 { return slices.Max(values) }

// values are by kind. The first one that is there is also drawn.
var values = map[string][]value{
	"http": {
		{"probe_duration_seconds", "took", seconds, greatest},
		{"probe_http_status_code", "status", count, greatest},
	},
	"mysql": {
		{"logkeel_mysql_ping_seconds", "answers in", seconds, greatest},
		{"logkeel_mysql_connections_used_ratio", "connections", percent, greatest},
		{"logkeel_mysql_replication_lag_seconds", "replica behind", seconds, greatest},
	},
	"postgres": {
		{"logkeel_postgres_ping_seconds", "answers in", seconds, greatest},
		{"logkeel_postgres_connections_used_ratio", "connections", percent, greatest},
		{"logkeel_postgres_locks_waiting", "locks waited for", count, nil},
		{"pg_replication_lag_seconds", "replica behind", seconds, greatest},
	},
	"redis": {
		{"logkeel_redis_ping_seconds", "answers in", seconds, greatest},
		{"redis_memory_used_bytes", "memory", size, nil},
		{"redis_connected_clients", "clients", count, nil},
	},
	"host": {
		{"logkeel_load_per_cpu", "load per CPU", count, greatest},
		{"logkeel_memory_available_ratio", "memory free", percent, greatest},
		{"logkeel_filesystem_used_ratio", "fullest disk", percent, greatest},
	},
	"docker": {{running, "containers that run", count, nil}},
	"backups": {
		{"logkeel_backup_age_seconds", "age of the newest", seconds, greatest},
		{"logkeel_backup_size_bytes", "size", size, nil},
		{"logkeel_backup_sets", "kept", count, nil},
	},
	"integrity": {
		{"logkeel_integrity_files", "files", count, nil},
		{"logkeel_integrity_finding", "findings", count, nil},
	},
	"jobs": {
		{"logkeel_job_running", "running", count, nil},
		{"logkeel_job_failed", "failed", count, nil},
		{"logkeel_job_missed", "missed", count, nil},
	},
}

// tracked are the metrics of samplers that are drawn, by target.
func tracked() (all []history.Track) {
	for _, kind := range slices.Sorted(maps.Keys(values)) {
		metric := values[kind][0].metric
		all = append(all, history.Track{Name: metric, Metric: metric, By: []string{"target"}, Max: 200})
	}
	return append(all, history.Track{Name: tookMetric, Metric: tookMetric, By: []string{"kind", "target"}, Max: 500})
}

const (
	upMetric   = "logkeel_sampler_up"
	tookMetric = "logkeel_sampler_duration_seconds"
)

type samplerRow struct {
	Kind, Name string
	State      state
	Says       string // its state in a word
	Values     []fact
	Spark      spark
	Took       string
	Error      string
}

type fact struct{ Name, Value string }

// samplers are those that asked at least once, those with errors first.
func (b *builder) samplers() (rows []samplerRow, more int) {
	for _, s := range b.now[upMetric] {
		row := samplerRow{Kind: label(s, "kind"), Name: label(s, "target"), State: ok, Says: "ok"}
		if s.Value == 0 {
			row.State, row.Says, row.Error = bad, "error", text(s.Note, 300)
		} else if why := b.worry(row.Kind, row.Name); why != "" {
			row.State, row.Says, row.Error = warn, "look at it", why
		}
		if down, why := b.down(row.Kind, row.Name); down {
			row.State, row.Says = bad, "down"
			row.Error = cmp.Or(row.Error, text(why, 300))
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(x, y samplerRow) int {
		return cmp.Or(cmp.Compare(y.State, x.State), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Name, y.Name))
	})
	rows, more = cut(rows, maxSamplers)
	series := map[string]map[string][]float64{tookMetric: b.series(tookMetric)}
	for i := range rows {
		b.sampler(&rows[i], series)
	}
	return rows, more
}

// sampler fills in what is shown of it. series are by track.
func (b *builder) sampler(row *samplerRow, series map[string]map[string][]float64) {
	kind, target := row.Kind, row.Name
	draw := func(track, key string, show func(float64) string) spark {
		if series[track] == nil {
			series[track] = b.series(track)
		}
		return sparkline(b.minutes(series[track][key], history.Mean), show)
	}
	for i, v := range values[kind] {
		value, there := b.value(v, target)
		if !there {
			continue
		}
		row.Values = append(row.Values, fact{v.name, v.show(value)})
		if i == 0 {
			row.Spark = draw(v.metric, target, v.show)
		}
	}
	if row.Spark.Path == "" {
		row.Spark = draw(tookMetric, kind+"\x00"+target, seconds)
	}
	if v, there := b.now.sum(tookMetric, "kind", kind, "target", target); there {
		row.Took = seconds(v)
	}
	if row.Kind, row.Name = name(kind), name(target); kind == target {
		row.Kind = "" // the only one of its kind
	}
}

func (b *builder) value(v value, target string) (float64, bool) {
	var all []float64
	for _, s := range b.now[v.metric] {
		if label(s, "target") == target && !math.IsNaN(s.Value) {
			all = append(all, s.Value)
		}
	}
	switch {
	case len(all) == 0:
		return 0, false
	case v.of != nil:
		return v.of(all), true
	}
	sum := 0.0
	for _, one := range all {
		sum += one
	}
	return sum, true
}

// ups say whether a target is there, by kind.
var ups = map[string]string{"mysql": "mysql_up", "redis": "redis_up", "postgres": "pg_up", "http": "probe_success", "backups": "logkeel_backup_up", "jobs": "logkeel_jobs_up"}

// down reports whether the metric that says that the target is there is 0.
func (b *builder) down(kind, target string) (bool, string) {
	for _, s := range b.now[ups[kind]] {
		if label(s, "target") == target && s.Value == 0 {
			return true, s.Note
		}
	}
	return false, ""
}

// worries are 1 where what was measured is not as it should be, by kind. How
// grave that is, rules say.
var worries = map[string][]string{
	"backups":   {"logkeel_backup_problem"},
	"integrity": {"logkeel_integrity_finding"},
	"jobs":      {"logkeel_job_failed", "logkeel_job_missed", "logkeel_job_too_long"},
}

// worry is the first thing that is not as it should be, and how many more there
// are.
func (b *builder) worry(kind, target string) string {
	first, n := "", 0
	for _, metric := range worries[kind] {
		for _, s := range b.now[metric] {
			if label(s, "target") != target || !(s.Value > 0) {
				continue
			}
			if n++; n == 1 {
				first = worrying(s)
			}
		}
	}
	if n > 1 {
		first += ", and " + count(float64(n-1)) + " more"
	}
	return first
}

// worrying is what a sample's labels and note say: what, and why.
func worrying(s agent.Sample) string {
	var what []string
	for _, l := range s.Labels {
		if l.Name != "target" {
			what = append(what, name(l.Value))
		}
	}
	switch s.Name {
	case "logkeel_job_failed":
		what = append(what, "failed")
	case "logkeel_job_missed":
		what = append(what, "missed")
	case "logkeel_job_too_long":
		what = append(what, "runs too long")
	}
	if s.Note != "" {
		return strings.Join(what, " ") + ": " + text(s.Note, 200)
	}
	return strings.Join(what, " ")
}

// series are a track's points, by their labels joined by 0.
func (b *builder) series(track string) map[string][]float64 {
	all := map[string][]float64{}
	for _, s := range b.history.Series(track) {
		all[strings.Join(s.Labels, "\x00")] = s.Points
	}
	return all
}

// minutes are points by the minutes of the last hour.
func (b *builder) minutes(points []float64, of history.Step) []float64 {
	return history.Steps(b.times, points, b.at, time.Minute, steps, of)
}

// sparks are series by minutes.
func (b *builder) sparks(track string, of history.Step) map[string][]float64 {
	all := b.series(track)
	for key, points := range all {
		all[key] = b.minutes(points, of)
	}
	return all
}

// cut leaves the first ones and says how many it left out.
func cut[T any](rows []T, most int) ([]T, int) {
	if len(rows) <= most {
		return rows, 0
	}
	return rows[:most], len(rows) - most
}
