//go:build measure

package exporters

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

var costOver = flag.Duration("cost", 5*time.Minute, "how long the cost is measured")

// clockTick is how many of /proc's units of CPU time a second has, on Linux.
const clockTick = 100

// A cost is what a process has used so far.
type cost struct {
	cpu  time.Duration
	peak int // KiB of memory, since its start
}

func costOf(t *testing.T, pid int) (c cost) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	for _, f := range fields[11:13] { // utime, stime
		n, _ := strconv.Atoi(string(f))
		c.cpu += time.Duration(n) * time.Second / clockTick
	}
	if _, c.peak, err = memoryOf(pid); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCost measures the agent beside the exporters that it stands in for: one
// MariaDB, one Redis, ten pages and ten containers, each 15 s; and, but where the
// world is to be small, one PostgreSQL, the host and what containers take on the disk.
func TestCost(t *testing.T) {
	const every = 15 * time.Second
	w := newWorld(t, every)
	pids := map[string]int{"logkeel": w.agent.cmd.Process.Pid}
	names := []string{"logkeel"}
	for _, e := range w.exporters {
		pids[e.name] = e.process.cmd.Process.Pid
		names = append(names, e.name)
	}
	watched := watchMemory(pids["logkeel"])
	before := map[string]cost{}
	for name, pid := range pids {
		before[name] = costOf(t, pid)
	}
	asked := w.serverTime()
	began := time.Now()
	scrapes := 0
	for tick := time.NewTicker(every); time.Since(began) < *costOver; <-tick.C {
		scrapes++
		if _, err := fetch(w.page); err != nil {
			t.Fatal(err)
		}
		for _, e := range w.exporters {
			for _, p := range e.pages {
				if _, err := fetch(p.url); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	took := time.Since(began)
	most, median := watched.ended()
	var exporters cost
	for _, name := range names {
		c := costOf(t, pids[name])
		used := c.cpu - before[name].cpu
		t.Logf("%-18s %8.3f %% of a core  %s at most", name, 100*used.Seconds()/took.Seconds(), size(c.peak))
		if name != "logkeel" {
			exporters.cpu += used
			exporters.peak += c.peak
		}
	}
	t.Logf("%-18s %8.3f %% of a core  %s at most", "exporters together", 100*exporters.cpu.Seconds()/took.Seconds(), size(exporters.peak))
	t.Logf("logkeel at its largest, but for its start: %s", most)
	t.Logf("logkeel mostly: %s", median)
	after := w.serverTime()
	for _, user := range []string{"agent", "exporter"} {
		t.Logf("MariaDB's own time for %-8s %6.2f ms a snapshot (%d snapshots)", user, 1000*(after[user]-asked[user])/float64(scrapes), scrapes)
	}
}

// serverTime is how many seconds the database has worked for each user, by its own
// account.
func (w *world) serverTime() map[string]float64 {
	out := w.db.SQL(`SELECT CONCAT_WS(' ', user, SUM(sum_timer_wait) / 1e12) FROM performance_schema.events_statements_summary_by_user_by_event_name WHERE user IN ('agent', 'exporter') GROUP BY user`)
	times := map[string]float64{}
	for line := range strings.Lines(out) {
		user, seconds, _ := strings.Cut(strings.TrimSpace(line), " ")
		times[user], _ = strconv.ParseFloat(seconds, 64)
	}
	return times
}
