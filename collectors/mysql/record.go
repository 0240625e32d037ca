package mysql

import (
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// maxRecordText is the longest text of a statement in a record, in characters.
const maxRecordText = 512

// mainNumbers are the status and variables that are in the records: some forty of
// the thousand that a snapshot has.
var mainNumbers = strings.Fields(`
	status_uptime status_questions status_queries status_slow_queries status_connections status_threads_connected status_threads_running
	status_max_used_connections status_aborted_clients status_aborted_connects status_bytes_received status_bytes_sent status_memory_used
	status_created_tmp_tables status_created_tmp_disk_tables status_select_full_join status_select_scan status_sort_merge_passes
	status_open_tables status_opened_tables status_table_locks_waited status_innodb_buffer_pool_read_requests status_innodb_buffer_pool_reads
	status_innodb_buffer_pool_wait_free status_innodb_data_reads status_innodb_data_writes status_innodb_data_fsyncs status_innodb_log_waits
	status_innodb_row_lock_current_waits status_innodb_row_lock_waits status_innodb_row_lock_time status_innodb_deadlocks
	variables_max_connections variables_innodb_buffer_pool_size variables_long_query_time variables_slow_query_log variables_read_only variables_log_bin`)

// Labelled metrics that are in the records: with all of their labels, or as members
// of the first record, where each value of the one label makes a name.
var (
	groupedPrefixes = []string{digestPrefix, "logkeel_mysql_statement_", "logkeel_mysql_slow_statement", "mysql_slave_status_", "logkeel_mysql_replication_"}
	flatNames       = []string{"logkeel_mysql_lock_waits", "logkeel_mysql_part_up", "logkeel_mysql_point_in_time_recovery_problem"}
)

// A recording is the records of a snapshot: one of the server, and one of each
// statement and each source of replication.
type recording struct {
	main   []agent.Field
	places map[string]int // by the values of labels
	groups [][]agent.Field
	texts  map[string]string // of statements, by schema and digest
}

// text is what a statement is called in its record, whether that is a label or not.
func (r *recording) text(schema, digest, text string) {
	if r.texts == nil {
		r.texts = map[string]string{}
	}
	r.texts[schema+"\x00"+digest] = text
}

func (r *recording) add(s agent.Sample) {
	field := agent.Field{Name: s.Name, Value: s.Value}
	switch {
	case s.Name == "mysql_version_info":
		for _, l := range s.Labels {
			if l.Name == "version" {
				r.main = append(r.main, agent.Field{Name: l.Name, Value: l.Value})
			}
		}
	case len(s.Labels) == 0:
		if isMain(s.Name) {
			r.main = append(r.main, field)
		}
	case hasPrefix(s.Name, groupedPrefixes):
		r.grouped(s, field)
	case hasPrefix(s.Name, flatNames):
		field.Name += "_" + metricName(s.Labels[0].Value)
		r.main = append(r.main, field)
	}
}

func (r *recording) grouped(s agent.Sample, field agent.Field) {
	var schema, digest string
	for _, l := range s.Labels {
		switch l.Name {
		case "schema":
			schema = l.Value
		case "digest":
			digest = l.Value
		}
	}
	key := schema + "\x00" + digest
	if digest == "" {
		for _, l := range s.Labels {
			key += "\x00" + l.Value
		}
	}
	n, ok := r.places[key]
	if !ok {
		if r.places == nil {
			r.places = map[string]int{}
		}
		n = len(r.groups)
		r.places[key] = n
		var fields []agent.Field
		for _, l := range s.Labels {
			if l.Name != "digest_text" && l.Value != "" {
				fields = append(fields, agent.Field{Name: l.Name, Value: l.Value})
			}
		}
		if text := r.texts[key]; text != "" {
			fields = append(fields, agent.Field{Name: "digest_text", Value: text})
		}
		r.groups = append(r.groups, fields)
	}
	r.groups[n] = append(r.groups[n], field)
}

// isMain says whether a metric without labels is in the first record.
func isMain(name string) bool {
	rest, global := strings.CutPrefix(name, "mysql_global_")
	if !global {
		return true // mysql_up, the files of the binary log, and what is our own
	}
	for _, n := range mainNumbers {
		if n == rest {
			return true
		}
	}
	return false
}

func hasPrefix(name string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// Records yields the main numbers, and each statement and each source of
// replication that has series: a statement with its text, whose values are gone.
// What an audit has found comes once.
func (s *Sampler) Records(yield func([]agent.Field)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	yield(s.recorded.main)
	for _, g := range s.recorded.groups {
		yield(g)
	}
	s.audit.records(yield)
}
