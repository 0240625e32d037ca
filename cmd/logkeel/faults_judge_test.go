package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A judge holds what has arrived against what was written.
type judge struct {
	logs     map[string]*judged // by container id
	seen     int                // entries
	repeated int
	ids      map[string]bool // logkeel_id of all lines
	wrong    []string        // what should never be
}

// A judged is one log: the logkeel_id of each line that has arrived, from the first.
type judged struct {
	*numberedLog
	ids  []string
	last int
}

func newJudge(logs []*numberedLog) *judge {
	j := &judge{logs: map[string]*judged{}, ids: map[string]bool{}}
	for _, l := range logs {
		j.logs[l.id] = &judged{numberedLog: l}
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
	if log == nil {
		return "of no container"
	}
	var n int
	if _, err := fmt.Sscanf(text, "line %d ", &n); err != nil || n < 1 || n > log.written() || text != log.line(n) {
		return "not as it was written"
	}
	for len(log.ids) < n {
		log.ids = append(log.ids, "")
	}
	switch first := &log.ids[n-1]; {
	case id == "":
		return "without an identity"
	case *first == id:
		j.repeated++
	case *first != "":
		j.repeated++
		return "came before as " + *first
	case j.ids[id]:
		return "has another line's identity"
	case n < log.last:
		return fmt.Sprintf("came after line %d", log.last)
	default:
		*first, log.last = id, n
		j.ids[id] = true
	}
	return ""
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
				texts = append(texts, fmt.Sprintf("%s, written %s; removed up to line %d", log.line(n), at.UTC().Format(time.RFC3339Nano), removed))
			}
		}
	}
	return texts
}
