package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A task is what contenders are measured at.
type task struct {
	name    string
	title   string
	setup   setup // what the task says of it
	storm   bool  // each line is flagged
	once    bool  // takes its time: in the first round only
	marks   bool  // lines are timed
	measure func(context.Context, *job) error
	columns []column
}

// A column is a value in a table.
type column struct {
	key, head string
	decimals  int
}

var (
	work = []column{
		{"mb", "MB", 0},
		{"wall_s", "wall s", 2},
		{"cpu_s", "CPU s", 3},
		{"mb_per_cpu_s", "MB/CPU-s", 0},
		{"peak_mb", "peak MB", 1},
	}
	rules   = operations[:]
	shipped = setup{Rules: rules, Ship: "all", Ack: true, Redact: true, Labels: true, Shipped: true}
)

func tasks() []*task {
	return []*task{
		{name: "t1", title: "read a log, parse Docker's JSON, count", measure: read, columns: work},
		{name: "t2", title: "and judge each record by the six rules of the pack operations", setup: setup{Rules: rules}, measure: read, columns: work},
		{name: "t1-as-shipped", title: "t1, and cut secrets", setup: setup{Redact: true}, measure: read, columns: work},
		{name: "t2-as-shipped", title: "t2, and cut secrets before", setup: setup{Rules: rules, Redact: true}, measure: read, columns: work},
		{name: "t2-hits", title: "and ship those that a rule holds for", setup: setup{Rules: rules, Ship: "flagged"}, measure: ship, columns: work},
		{name: "t3", title: "ship every record, without acknowledgements", setup: setup{Rules: rules, Ship: "all"}, measure: ship, columns: work},
		{name: "t3-ack", title: "ship every record, with acknowledgements", setup: setup{Rules: rules, Ship: "all", Ack: true}, measure: ship, columns: work},
		{name: "t3-gzip", title: "ship every record, with acknowledgements, compressed", setup: setup{Rules: rules, Ship: "all", Ack: true, Gzip: true}, measure: ship, columns: work},
		{name: "t3-as-shipped", title: "t3-ack with all that an ordinary configuration has, and more", setup: shipped, measure: ship, columns: work},
		{
			name: "storm", title: "a rule holds for every line", storm: true,
			setup: shipped, measure: ship, columns: work,
		},
		{
			name: "down", title: "lines arrive while the receiver is down; then it comes back", once: true,
			setup: setup{Rules: rules, Ship: "all", Ack: true, Redact: true, Labels: true}, measure: down, columns: []column{
				{"mb", "MB", 0},
				{"peak_mb", "peak MB while down", 1},
				{"disk_mb", "on disk MB", 1},
				{"after_mb", "peak MB after", 1},
				{"cpu_s", "CPU s", 3},
				{"back_s", "all there after s", 1},
			},
		},
		{
			name: "idle", title: "50 logs in which nothing happens", once: true,
			setup: setup{Rules: rules, Ship: "all", Ack: true, Redact: true, Labels: true}, measure: rest, columns: []column{
				{"cpu_percent", "CPU %", 3}, {"wakeups_per_s", "wake-ups/s", 1}, {"rss_mb", "MB", 1}, {"threads", "threads", 0},
			},
		},
		{
			name: "latency", title: "from a line's being written to the receiver, 10 lines a second", once: true, marks: true,
			setup: setup{Rules: rules, Ship: "all", Ack: true, Redact: true, Labels: true}, measure: latency, columns: []column{
				{"lines", "lines", 0}, {"p50_ms", "p50 ms", 1}, {"p99_ms", "p99 ms", 1}, {"max_ms", "max ms", 1},
			},
		},
		{
			name: "start", title: "from the program's start to the first line at the receiver", marks: true,
			setup: setup{Rules: rules, Ship: "all", Ack: true, Redact: true, Labels: true}, measure: startUp, columns: []column{{"start_ms", "ms", 0}},
		},
	}
}

// spent notes what the work took, of which the last was done at end.
func (j *job) spent(end time.Time) {
	_, peak := j.proc.memory()
	cpu, mb := j.proc.cpu().Seconds(), float64(j.log.size)/1e6
	j.value["mb"], j.value["wall_s"], j.value["cpu_s"] = mb, end.Sub(j.proc.began).Seconds(), cpu
	if cpu > 0 {
		j.value["mb_per_cpu_s"] = mb / cpu
	}
	if peak > 0 { // one that is over at once was not looked at
		j.value["peak_mb"] = float64(peak) / 1e6
	}
}

// read measures work that nothing is seen of from outside. It is done when the
// contender ends, or falls silent at the end of the log.
func read(ctx context.Context, j *job) error {
	if err := j.give(); err != nil {
		return err
	}
	if err := j.begin(); err != nil {
		return err
	}
	j.known = "not"
	file := j.file
	if j.who.check != nil {
		file = "" // there is a better way to know
	}
	var problem error
	// One that the machine has held up may look silent: it gets three chances.
	for range 3 {
		end, err := j.proc.settle(ctx, file, j.o.calm)
		if err != nil {
			return err
		}
		j.spent(end)
		if j.who.check == nil {
			return nil
		}
		if problem = j.who.check(ctx, j); problem == nil || j.proc.over() {
			break
		}
	}
	return problem
}

// ship measures work that ends when all is at the receiver.
func ship(ctx context.Context, j *job) error {
	if err := j.give(); err != nil {
		return err
	}
	if err := j.sink.listen(); err != nil {
		return err
	}
	if err := j.begin(); err != nil {
		return err
	}
	end, err := j.await(ctx, j.wanted(), j.o.patience)
	j.spent(end)
	if err != nil || !j.setup.Shipped || j.who.check == nil {
		return err
	}
	arrived := j.known
	err = j.who.check(ctx, j)
	j.known = arrived + ", " + j.known
	return err
}

// down has the log grow while nobody listens.
func down(ctx context.Context, j *job) error {
	path, err := j.container(1)
	if err != nil {
		return err
	}
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := j.begin(); err != nil {
		return err
	}
	pause(ctx, time.Second)
	copies := max(1, (j.o.down+j.log.size-1)/j.log.size)
	for range copies {
		if err := appendFile(log, j.log.path); err != nil {
			return err
		}
	}
	// Some never fall silent while they cannot ship. What they hold by then is
	// what they hold.
	arrive, cancel := context.WithTimeout(ctx, j.o.patience)
	defer cancel()
	if _, err := j.proc.settle(arrive, "", 3*j.o.calm); err != nil && arrive.Err() == nil {
		return err
	}
	if j.proc.over() {
		return errors.New("it does not survive")
	}
	_, peak := j.proc.memory()
	j.value["mb"], j.value["peak_mb"] = float64(j.log.size*copies)/1e6, float64(peak)/1e6
	j.value["disk_mb"] = float64(folderSize(j.setup.Work)) / 1e6
	back := time.Now()
	if err := j.sink.listen(); err != nil {
		return err
	}
	end, err := j.await(ctx, j.wanted().times(copies), 2*j.o.patience)
	_, peak = j.proc.memory()
	j.value["after_mb"], j.value["cpu_s"], j.value["back_s"] = float64(peak)/1e6, j.proc.cpu().Seconds(), max(0, end.Sub(back).Seconds())
	return err
}

func appendFile(to *os.File, path string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(to, from)
	return err
}

// folderSize is the bytes that the files below dir hold.
func folderSize(dir string) (n int64) {
	// What vanishes meanwhile holds none.
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}

const idleLogs = 50

// rest measures what is used while nothing happens.
func rest(ctx context.Context, j *job) error {
	var want tally
	for n := range idleLogs {
		path, err := j.container(n)
		if err != nil {
			return err
		}
		var lines []byte
		for i := range 50 {
			text := fmt.Sprintf("log %d line %d", n, i)
			want.add([]byte(text))
			lines = appendLine(lines, text, time.Now())
		}
		if err := os.WriteFile(path, lines, 0o600); err != nil {
			return err
		}
	}
	j.setup.Log = filepath.Join(j.setup.Docker, "containers", "*", "*-json.log")
	if err := j.sink.listen(); err != nil {
		return err
	}
	if err := j.begin(); err != nil {
		return err
	}
	if _, err := j.await(ctx, want, j.o.patience); err != nil {
		return err
	}
	pause(ctx, 2*j.o.calm)
	begun, cpu := time.Now(), j.proc.cpu()
	wakeups, _ := j.proc.wakeups()
	pause(ctx, j.o.idle)
	cpu = j.proc.cpu() - cpu
	later, threads := j.proc.wakeups()
	took := time.Since(begun).Seconds()
	rss, _ := j.proc.memory()
	j.value["cpu_percent"], j.value["wakeups_per_s"] = 100*cpu.Seconds()/took, float64(later-wakeups)/took
	j.value["rss_mb"], j.value["threads"] = float64(rss)/1e6, float64(threads)
	return ctx.Err()
}

// appendLine appends a line as Docker writes it.
func appendLine(b []byte, text string, now time.Time) []byte {
	b = appendEscaped(append(b, `{"log":"`...), []byte(text))
	b = now.UTC().AppendFormat(append(b, `\n","stream":"stdout","time":"`...), time.RFC3339Nano)
	return append(b, "\"}\n"...)
}

// marked makes a log with one marked line in it.
func (j *job) marked() (*os.File, error) {
	path, err := j.container(1)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return log, writeMark(log, 0)
}

func writeMark(log *os.File, seq int) error {
	now := time.Now()
	_, err := log.Write(appendLine(nil, mark(seq, now)+" production.ERROR: Connection refused", now))
	return err
}

// arrival waits until so many marks have come.
func (j *job) arrival(ctx context.Context, n int) ([]arrival, error) {
	begun := time.Now()
	for {
		all := j.sink.arrived()
		if len(all) >= n {
			return all, nil
		}
		if j.proc.over() || ctx.Err() != nil || time.Since(begun) > j.o.patience {
			return all, fmt.Errorf("%d of %d lines came", len(all), n)
		}
		pause(ctx, time.Millisecond)
	}
}

func latency(ctx context.Context, j *job) error {
	log, err := j.marked()
	if err != nil {
		return err
	}
	defer log.Close()
	if err := j.sink.listen(); err != nil {
		return err
	}
	if err := j.begin(); err != nil {
		return err
	}
	if _, err := j.arrival(ctx, 1); err != nil {
		return err
	}
	pause(ctx, j.o.calm)
	for i := range j.o.lines {
		if err := writeMark(log, 1+i); err != nil {
			return err
		}
		pause(ctx, 100*time.Millisecond)
	}
	all, err := j.arrival(ctx, 1+j.o.lines)
	if err != nil {
		return err
	}
	var took []time.Duration
	for _, a := range all[1:] { // the first was there before the agent was
		took = append(took, a.took)
	}
	slices.Sort(took)
	at := func(part float64) float64 { return took[int(part*float64(len(took)-1))].Seconds() * 1e3 }
	j.value["lines"], j.value["p50_ms"], j.value["p99_ms"], j.value["max_ms"] = float64(len(took)), at(0.5), at(0.99), at(1)
	j.known = "number"
	return nil
}

func startUp(ctx context.Context, j *job) error {
	log, err := j.marked()
	if err != nil {
		return err
	}
	defer log.Close()
	if err := j.sink.listen(); err != nil {
		return err
	}
	if err := j.begin(); err != nil {
		return err
	}
	all, err := j.arrival(ctx, 1)
	if err != nil {
		return err
	}
	j.value["start_ms"] = all[0].at.Sub(j.proc.began).Seconds() * 1e3
	j.known = "number"
	return nil
}
