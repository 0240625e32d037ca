package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSmallest does all tasks with logkeel and a log of a megabyte. That nothing
// is reported as wrong says that each of them was done in full, for each is
// checked; TestChecksNotice holds the checks to that.
func TestSmallest(t *testing.T) {
	o, err := parse([]string{"-mb", "1", "-down-mb", "2", "-rounds", "1", "-lines", "5", "-idle", "200ms", "-agents", "logkeel", "-dir", t.TempDir()}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	o.calm = 300 * time.Millisecond
	var out bytes.Buffer
	if err := bench(t.Context(), o, &out, t.Output()); err != nil {
		t.Error(err)
	}
	for _, task := range tasks() {
		head := "\n" + task.name + ": "
		at := strings.Index(out.String(), head)
		if at < 0 {
			t.Errorf("no table of %s", task.name)
			continue
		}
		table, _, _ := strings.Cut(out.String()[at+1:], "\n\n"+"t")
		if row := strings.Count(table, "| logkeel"); row == 0 {
			t.Errorf("%s: logkeel has no row:\n%s", task.name, table)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(o.temp, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
