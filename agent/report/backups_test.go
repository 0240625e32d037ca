package report

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBackups has what the sampler of backups measures: what is wrong is said,
// what is fine is not, and what only graphs need is left out.
func TestBackups(t *testing.T) {
	w := newWorld(t, "2026-11-23 08:00")
	now := float64(w.now.Unix())
	for name, v := range map[string]float64{
		"up": 1, "sets": 30, "unverified_files": 0, "verify_seconds": 3, "age_seconds": 3600,
		"last_success_timestamp_seconds": now, "newest_timestamp_seconds": now, "oldest_timestamp_seconds": now - 30*86400, "restore_test_age_seconds": 20 * 86400,
	} {
		w.values["logkeel_backup_"+name+"{target=nightly}"] = v
	}
	w.values["logkeel_backup_problem{target=nightly,problem=stale}"] = 0
	w.values["logkeel_backup_problem{target=nightly,problem=corrupt}"] = 1
	w.values["logkeel_backup_ok{target=nightly,file=database.sql.gz}"] = 0
	w.values["logkeel_backup_ok{target=nightly,file=env.backup}"] = 1
	w.values["logkeel_backup_size_bytes{target=nightly,file=env.backup}"] = 1024
	w.until("2026-11-23 20:00", time.Hour)
	s := Summarize(w.book.s.Current, nil, View{Zone: w.o.Zone, Now: w.now, Top: 5})
	var got []string
	for _, section := range s.Sections {
		if section.Title == "Backups" {
			for _, it := range section.Items {
				got = append(got, it.Name+" = "+it.Value)
				bad := strings.Contains(it.Name, "corrupt") || strings.Contains(it.Name, "database")
				if (it.Trend == Bad) != bad {
					t.Errorf("%s: %d", it.Name, it.Trend)
				}
			}
		}
	}
	slices.Sort(got)
	if text := strings.Join(got, "; "); text != "nightly corrupt problem = yes; nightly database.sql.gz ok = no; nightly env.backup size = 1.0 KiB; "+
		"nightly last success ago = 12 h; nightly oldest ago = 30 d 12 h; nightly restore test age = 20 d; nightly sets = 30" {
		t.Error(text)
	}
}
