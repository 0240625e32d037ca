package mysql

import (
	"strings"
	"testing"
	"time"
)

func TestAuditRecords(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(auditGrants("auditor", "crm") + problemTables(srv) + "GRANT SELECT ON crm.* TO auditor@'127.0.0.1'; USE crm; CREATE TABLE lost (id INT); ALTER TABLE lost DISCARD TABLESPACE;")
	c := auditing(srv.Addr, "auditor")
	c.TableCheck = &TableCheck{Interval: 24 * hour, Timeout: minute}
	s := newSampler(t, c)
	s.audit.firstWait = 0
	got, err := audited(t, s)
	if err != nil {
		t.Fatal(err)
	}
	// of are the records with these labels, and those only.
	of := func(all []map[string]any, labels ...string) (found []map[string]any) {
		for _, m := range all {
			ok := true
			for _, name := range []string{"schema", "table", "index", "column", "problem"} {
				want := ""
				for i := 0; i < len(labels); i += 2 {
					if labels[i] == name {
						want = labels[i+1]
					}
				}
				v, _ := m[name].(string)
				ok = ok && v == want
			}
			if ok {
				found = append(found, m)
			}
		}
		return found
	}
	all := members(s)
	var table map[string]any
	for _, m := range of(all, "schema", "crm", "table", "tiny") {
		if m["engine"] != nil {
			table = m
		}
	}
	if table["engine"] != "InnoDB" || table["type"] != "BASE TABLE" || table["mysql_info_schema_table_rows"] != got[`mysql_info_schema_table_rows{schema="crm",table="tiny"}`] ||
		table["mysql_info_schema_table_size_data_length"] != got[`mysql_info_schema_table_size{schema="crm",table="tiny",component="data_length"}`] || table["logkeel_mysql_table_check_ok"] != 1.0 {
		t.Errorf("%v", table)
	}
	if m := of(all, "schema", "crm", "table", "bare", "problem", "no_primary_key"); len(m) != 1 || m[0]["logkeel_mysql_table_problem"] != 1.0 {
		t.Errorf("%v", m)
	}
	if m := of(all, "schema", "crm", "table", "tiny", "column", "id"); len(m) != 1 || m[0]["logkeel_mysql_auto_increment_used_ratio"] != 110.0/127 {
		t.Errorf("%v", m)
	}
	message := ""
	for _, m := range of(all, "schema", "crm", "table", "lost") {
		if text, ok := m["message"].(string); ok {
			message = text
		}
	}
	if !strings.Contains(message, "discarded") {
		t.Errorf("of the check: %q", message)
	}
	// Once, until the next audit.
	if _, err := take(t, s); err != nil {
		t.Fatal(err)
	}
	if m := of(members(s), "schema", "crm", "table", "tiny"); len(m) != 0 {
		t.Errorf("again: %v", m)
	}
	later(s, time.Hour)
	audited(t, s)
	if m := of(members(s), "schema", "crm", "table", "tiny"); len(m) == 0 {
		t.Error("not again after another audit")
	}
}
