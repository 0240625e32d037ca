package report

import "strings"

// A kind is what is kept of a metric.
type kind uint8

const (
	grows   kind = iota // by how much a counter of a server's has grown
	own                 // likewise, of a counter of this process
	gauge               // sum, first, last, lowest and highest value
	changes             // likewise, and how often it became another value
)

// A track is one metric that periods have.
type track struct {
	kind kind
	by   []string  // the labels that are kept; the others' series are added up
	max  int       // series
	is   [2]string // only samples with this label and value, where it has a name
}

const few, many = 100, 500

// tracks are by metric. What is not measured is not in the report.
func tracks() map[string]track {
	t := map[string]track{}
	add := func(k kind, most int, by string, metrics ...string) {
		for _, m := range metrics {
			t[m] = track{kind: k, by: strings.Fields(by), max: most}
		}
	}
	add(own, many, "class severity rule", "logkeel_findings_total")
	add(own, many, "class severity rule", "logkeel_alerts_fired_total")
	add(gauge, many, "class severity rule", "logkeel_alerts")
	add(own, many, "source project service container", "logkeel_source_lines_total")
	add(own, few, "output result", "logkeel_notifications_total")
	add(own, few, "output", "logkeel_email_sent_total", "logkeel_email_recipients_refused_total", "logkeel_alerts_muted_total",
		"logkeel_alerts_folded_total", "logkeel_output_records_total", "logkeel_output_dead_letter_records_total")
	add(gauge, few, "output", "logkeel_notifications_pending", "logkeel_notifications_held")
	add(own, few, "output reason", "logkeel_spool_dropped_records_total")
	add(own, few, "source", "logkeel_tail_gaps_total", "logkeel_docker_logs_gaps_total")
	add(own, 1, "", "logkeel_heartbeat_failed_total")
	add(own, few, "", "logkeel_alerts_dropped_total", "logkeel_alerts_write_errors_total", "logkeel_positions_write_errors_total")
	add(own, few, "kind name", "logkeel_component_restarts_total")
	add(own, few, "kind target", "logkeel_sampler_errors_total")
	add(gauge, few, "output source", "logkeel_spool_bytes", "logkeel_spool_max_bytes")
	add(changes, 1, "", "logkeel_config_last_reload_successful")

	add(grows, 300, "project name", "logkeel_container_restarts_total")
	add(changes, 300, "project name", "container_start_time_seconds", "logkeel_container_oom_killed")
	add(gauge, 300, "project name", "logkeel_container_running", "container_memory_working_set_bytes", "logkeel_container_memory_percent", "logkeel_container_cpu_percent")
	add(gauge, 300, "project name", "logkeel_container_health")
	unhealthy := t["logkeel_container_health"]
	unhealthy.is = [2]string{"status", "unhealthy"}
	t["logkeel_container_health"] = unhealthy

	add(gauge, few, "target", "probe_duration_seconds", "probe_success", "mysql_up", "redis_up", "pg_up")
	add(grows, many, "target schema digest digest_text", "mysql_perf_schema_events_statements_total", "mysql_perf_schema_events_statements_seconds_total")
	add(gauge, few, "target mountpoint device", "node_filesystem_size_bytes", "node_filesystem_avail_bytes")
	return t
}

// backups is what the metrics of backups begin with: whatever they measure is
// kept as it is.
const backups = "logkeel_backup_"

// maxBackups bounds how many metrics of backups there are.
const maxBackups = 20
