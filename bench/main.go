// Bench measures logkeel, and those of its peers that are installed, at the same
// work on this machine. README.md says how to read what it prints.
//
//	make bench BENCHFLAGS='-mb 20 -rounds 1 -tasks t1,t2'
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	size, down     int64 // bytes
	rounds, lines  int
	seed           uint64
	idle, limit    time.Duration
	calm           time.Duration // for so long does nothing who has nothing to do
	patience       time.Duration // for so long nothing comes from who has given up
	tasks, agents  []string
	path, baseline string // of logkeel, and of another one
	temp           string
	json           bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := bench(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(args []string, w io.Writer) (*options, error) {
	o := &options{calm: 1500 * time.Millisecond, patience: 20 * time.Second}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(w)
	mb := f.Int64("mb", 100, "size of the log, in MB")
	down := f.Int64("down-mb", 300, "what arrives while the receiver is down, in MB, rounded up to whole logs")
	f.IntVar(&o.rounds, "rounds", 3, "how often each is measured; the median counts")
	f.Uint64Var(&o.seed, "seed", 1, "of the log")
	f.DurationVar(&o.idle, "idle", 10*time.Second, "how long idleness is measured")
	f.IntVar(&o.lines, "lines", 200, "how many lines are timed, one each 100 ms")
	f.DurationVar(&o.limit, "limit", 3*time.Minute, "for one contender at one task")
	tasks := f.String("tasks", strings.Join(allTasks, ","), "which to do")
	agents := f.String("agents", "", "which to measure, of those that are installed: logkeel,fluent-bit,... (default all)")
	f.StringVar(&o.path, "logkeel", "", "measure this program instead of building one")
	f.StringVar(&o.baseline, "baseline", "", "another logkeel to compare with")
	f.StringVar(&o.temp, "dir", os.TempDir(), "where the logs are written")
	f.BoolVar(&o.json, "json", false, "print a line of JSON a measurement instead of tables")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	o.size, o.down = *mb*1e6, *down*1e6
	if *mb < 1 || *down < 1 || o.rounds < 1 || o.lines < 1 || o.idle <= 0 {
		return nil, errors.New("sizes, rounds, lines and times have to be above 0")
	}
	o.tasks = list(*tasks)
	for _, t := range o.tasks {
		if !slices.Contains(allTasks, t) {
			return nil, fmt.Errorf("there is no task %q; there are %s", t, strings.Join(allTasks, ", "))
		}
	}
	o.agents = list(*agents)
	return o, nil
}

// list is a list that is written with commas.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// bench does everything. Progress goes to log, results to out. It fails if
// logkeel has not done what it was given to do.
func bench(ctx context.Context, o *options, out, log io.Writer) error {
	dir, err := os.MkdirTemp(o.temp, "logkeel-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	who, about, err := contenders(ctx, o, dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "%s\nmaking logs of %d MB\n", about, o.size/1e6)
	all := tasks()
	logs, err := corpora(o, all, who, dir)
	if err != nil {
		return err
	}
	var results []result
	for round := range o.rounds {
		for _, t := range all {
			if !slices.Contains(o.tasks, t.name) || t.once && round > 0 {
				continue
			}
			for _, c := range order(who, round) {
				if !c.does(t.name) {
					continue
				}
				j := &job{task: t, who: c, log: logs[logOf(t, c)], o: o}
				r := j.do(ctx, dir)
				if ctx.Err() != nil {
					return errors.New("interrupted")
				}
				r.Round = round + 1
				results = append(results, r)
				fmt.Fprintf(log, "round %d of %d: %s\n", r.Round, o.rounds, r)
			}
		}
	}
	if err := report(out, o, about, all, results); err != nil {
		return err
	}
	return verdict(results)
}

// order turns the contenders around in every other round.
func order(who []*contender, round int) []*contender {
	who = slices.Clone(who)
	if round%2 == 1 {
		slices.Reverse(who)
	}
	return who
}

func (r result) String() string {
	var values []string
	for _, key := range []string{"cpu_s", "mb_per_cpu_s", "peak_mb", "cpu_percent", "p50_ms", "start_ms"} {
		if v, ok := r.Values[key]; ok {
			values = append(values, fmt.Sprintf("%s %.4g", key, v))
		}
	}
	text := fmt.Sprintf("%s, %s: %s", r.Task, r.Agent, strings.Join(values, ", "))
	if r.Problem != "" {
		text += "; WRONG: " + r.Problem
	}
	return text
}

func report(out io.Writer, o *options, about string, all []*task, results []result) error {
	if !o.json {
		fmt.Fprintln(out, about)
		return write(out, all, results)
	}
	e := json.NewEncoder(out)
	for _, r := range results {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// verdict is about logkeel only: what peers do is theirs.
func verdict(results []result) error {
	var errs []error
	for _, r := range results {
		if r.Agent == ours && r.Problem != "" {
			errs = append(errs, fmt.Errorf("%s, round %d: %s", r.Task, r.Round, r.Problem))
		}
	}
	return errors.Join(errs...)
}

// contenders are logkeel, which is built, and the peers that are installed.
// about says who they are, and on which machine.
func contenders(ctx context.Context, o *options, dir string) (who []*contender, about string, err error) {
	if len(o.agents) == 0 || slices.Contains(o.agents, ours) {
		path := o.path
		if path == "" {
			path = filepath.Join(dir, ours)
			if err := build(ctx, path); err != nil {
				return nil, "", err
			}
		}
		quiet := logkeel(ours+", "+noAlerts, path)
		quiet.tasks = []string{"storm"}
		who = append(who, logkeel(ours, path), quiet)
	}
	if o.baseline != "" {
		who = append(who, logkeel("baseline", o.baseline))
	}
	for _, c := range who { // they run in folders of their own
		if c.path, err = filepath.Abs(c.path); err != nil {
			return nil, "", err
		}
	}
	found, missing := find(peers(), o.agents)
	who = append(who, found...)
	if len(who) == 0 {
		return nil, "", errors.New("there is nobody to measure")
	}
	var names []string
	for _, c := range who {
		names = append(names, c.name)
	}
	about = fmt.Sprintf("%d processors, %s. Measured: %s.", runtime.NumCPU(), runtime.GOARCH, strings.Join(names, "; "))
	if len(missing) > 0 {
		about += " Not installed, and skipped: " + strings.Join(missing, ", ") + "."
	}
	return who, about, nil
}

// build compiles the program as it is released.
func build(ctx context.Context, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/webgrip/logkeel/cmd/logkeel")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build logkeel: %w\n%s", err, out)
	}
	return nil
}

// A logKind is one of the logs that are made.
type logKind struct {
	storm bool
	part  int64
}

func logOf(t *task, c *contender) logKind { return logKind{t.storm, c.part} }

// corpora makes the logs that will be needed.
func corpora(o *options, all []*task, who []*contender, dir string) (map[logKind]*corpus, error) {
	logs := map[logKind]*corpus{}
	start := time.Now().Add(-span)
	for _, t := range all {
		for _, c := range who {
			k := logOf(t, c)
			if !slices.Contains(o.tasks, t.name) || !c.does(t.name) || logs[k] != nil {
				continue
			}
			path := filepath.Join(dir, fmt.Sprintf("log-%t-%d", k.storm, k.part))
			made, err := generate(path, o.size/k.part, o.seed, start, k.storm)
			if err != nil {
				return nil, err
			}
			logs[k] = made
		}
	}
	return logs, nil
}
