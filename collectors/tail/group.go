package tail

import "github.com/webgrip/logkeel/agent"

// maxKept is the memory that a group keeps for the next one.
const maxKept = 4 * fragmentSize

// A group is a stretch of lines during which some record is incomplete. The
// streams of a container write into one file, so that the parts of one long
// line may have lines of the other stream between them.
type group struct {
	records []agent.Record // bodies lie in text
	text    []byte
	parts   [3]part // by stream
	open    int     // how many parts are in use
}

type part struct {
	used  bool
	text  []byte
	time  int64 // of the first line, ns
	heard int64 // of the last line
}

func (g *group) reset() {
	g.records, g.text, g.open = g.records[:0], g.text[:0], 0
	for i := range g.parts {
		g.parts[i].used, g.parts[i].text = false, g.parts[i].text[:0]
	}
}

// shrink drops what a long line took.
func (g *group) shrink() {
	for i := range g.parts {
		if cap(g.parts[i].text) > maxKept {
			g.parts[i].text = nil
		}
	}
	if cap(g.text) > maxKept {
		g.text = nil
	}
	if cap(g.records) > 1024 {
		g.records = nil
	}
}

func (g *group) add(r agent.Record, body []byte) {
	n := len(g.text)
	g.text = append(g.text, body...)
	r.Body = span(n, len(g.text))
	g.records = append(g.records, r)
}

// hold opens the record of the line's stream, or adds to it.
func (g *group) hold(l line, block []byte) {
	p := &g.parts[l.stream]
	if !p.used {
		p.used, p.time = true, l.time
		g.open++
	}
	p.heard = l.time
	p.text = append(p.text, block[l.body.Start:l.body.End]...)
}

// take ends the record that is open on the line's stream, or adds the line.
func (g *group) take(l line, block []byte, end int64) {
	body := block[l.body.Start:l.body.End]
	if p := &g.parts[l.stream]; p.used {
		p.text = append(p.text, body...)
		g.close(l.stream, end, 0)
		return
	}
	g.add(agent.Record{Time: l.time, End: end, Stream: l.stream}, body)
}

// expire ends the records of other streams that did not go on for a while
// before the line, which begins at end.
func (g *group) expire(l line, end int64) {
	for s := range g.parts {
		if p := &g.parts[s]; p.used && agent.Stream(s) != l.stream && l.time-p.heard > fragmentPause {
			g.close(agent.Stream(s), end, 0)
		}
	}
}

func (g *group) close(s agent.Stream, end int64, f agent.Flags) {
	p := &g.parts[s]
	g.add(agent.Record{Time: p.time, End: end, Stream: s, Flags: f}, p.text)
	p.used, p.text = false, p.text[:0]
	g.open--
}

func (g *group) closeAll(end int64, f agent.Flags) {
	for s := range g.parts {
		if g.parts[s].used {
			g.close(agent.Stream(s), end, f)
		}
	}
}
