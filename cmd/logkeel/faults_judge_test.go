package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A judge holds what has arrived against what was written.
type judge struct {
	logs     map[string]*judged // by container id
	seen     int                // entries
	repeated int                // lines
	prompt   []string           // lines that came twice, and in time at first
	torn     int                // records that are a piece of a trace
	ids      map[string]bool    // logkeel_id of all lines
	wrong    []string           // what should never be
}

// A judged is one log: the logkeel_id of each line that has arrived, from the first.
type judged struct {
	*numberedLog
	ids  []string
	last int
	torn map[int]bool // lines that came in a piece of a trace
	slow map[int]bool // lines that came late
}

func newJudge(logs []*numberedLog) *judge {
	j := &judge{logs: map[string]*judged{}, ids: map[string]bool{}}
	for _, l := range logs {
		j.logs[l.id] = &judged{numberedLog: l, torn: map[int]bool{}, slow: map[int]bool{}}
	}
	return j
}

// take looks at the entries that came since it was called last.
func (j *judge) take(entries []testenv.Entry) {
	for _, e := range entries[j.seen:] {
		if what := j.entry(e); what != "" {
			j.wrong = append(j.wrong, fmt.Sprintf("%s: %v", what, e.Record))
		}
	}
	j.seen = len(entries)
}

// entry returns what is wrong with it, or "".
func (j *judge) entry(e testenv.Entry) string {
	container, _ := e.Record["container_id"].(string)
	text, _ := e.Record["log"].(string)
	id, _ := e.Record["logkeel_id"].(string)
	log := j.logs[container]
	switch {
	case log == nil:
		return "of no container"
	case id == "":
		return "without an identity"
	}
	lines := strings.Split(text, "\n")
	first := log.number(lines[0])
	for i, line := range lines {
		if n := log.number(line); n == 0 || n != first+i || i > 0 && !log.traces {
			return "not as it was written"
		}
	}
	pieces := log.piece(first, len(lines))
	if pieces {
		j.torn++
	}
	known := 0
	for n := first; n < first+len(lines); n++ {
		for len(log.ids) < n {
			log.ids = append(log.ids, "")
		}
		switch had := &log.ids[n-1]; {
		case *had == "" && n < log.last:
			return fmt.Sprintf("came after line %d", log.last)
		case *had == "":
			*had, log.last = id, n
			if log.late(n, e.Time) {
				log.slow[n] = true
			}
		case *had == id || pieces || log.torn[n]:
			known++
			if !log.slow[n] {
				j.prompt = append(j.prompt, log.text(n))
			}
		default:
			return "came before as " + *had
		}
		if pieces {
			log.torn[n] = true
		}
	}
	j.repeated += known
	if known == 0 && j.ids[id] {
		return "has another line's identity"
	}
	j.ids[id] = true
	return ""
}

// piece reports whether so many lines from first on are not a whole record: a trace
// is one with the error above it.
func (j *judged) piece(first, lines int) bool {
	if !j.traces {
		return false
	}
	last := first + lines - 1
	return first%20 > 1 && first%20 <= 1+traceLines || last%20 >= 1 && last%20 < 1+traceLines
}

// lost are the lines that have not arrived.
func (j *judged) lost() (lines []int) {
	for n := 1; n <= j.written(); n++ {
		if n > len(j.ids) || j.ids[n-1] == "" {
			lines = append(lines, n)
		}
	}
	return lines
}

// missing says how many lines have not arrived, and how many of these are in files
// that rotation has removed.
func (j *judge) missing() (all, gone int) {
	for _, log := range j.logs {
		removed := log.gone()
		for _, n := range log.lost() {
			all++
			if n <= removed {
				gone++
			}
		}
	}
	return all, gone
}

// A gap is where the agent says that lines may be missing.
type gap struct {
	source   string
	from, to time.Time
}

// gaps reads the agent's log.
func (a *agentProcess) gaps() (all []gap) {
	b, err := os.ReadFile(a.stderr)
	if err != nil {
		a.t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var said struct{ Msg, Source, From, To string }
		if json.Unmarshal(line, &said) != nil || said.To == "" || !bytes.Contains(line, []byte("lines may be missing")) {
			continue
		}
		g := gap{source: said.Source}
		g.from, _ = time.Parse(time.RFC3339Nano, said.From) // none: from the beginning
		if g.to, err = time.Parse(time.RFC3339Nano, said.To); err != nil {
			a.t.Errorf("a gap without an end: %s", line)
		}
		all = append(all, g)
	}
	return all
}

// caughtUp reports whether the agent has said, since it was started last, that it
// has read what was there.
func (a *agentProcess) caughtUp() bool {
	b, err := os.ReadFile(a.stderr)
	if err != nil {
		a.t.Fatal(err)
	}
	return bytes.Contains(b[max(0, bytes.LastIndex(b, []byte(`"logkeel runs"`))):], []byte(`"caught up"`))
}

// unsaid are lost lines of which no gap tells, and those that were in no file that
// rotation has removed.
func (j *judge) unsaid(gaps []gap) (texts []string) {
	for _, log := range j.logs {
		removed := log.gone()
		for _, n := range log.lost() {
			at, said := log.at(n), false
			for _, g := range gaps {
				said = said || g.source == log.name && !at.Before(g.from) && !at.After(g.to)
			}
			if n > removed || !said {
				texts = append(texts, fmt.Sprintf("%s, written %s; removed up to line %d; of %d lines, in a file %s", log.text(n), at.UTC().Format(time.RFC3339Nano), removed, log.written(), log.where(n)))
			}
		}
	}
	return texts
}
