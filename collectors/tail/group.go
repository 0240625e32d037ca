package tail

import (
	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

// maxKept is the memory that a group keeps for the next one.
const maxKept = 4 * fragmentSize

// A group is a stretch of lines during which some record is incomplete. The
// streams of a container write into one file, so that the parts of one long
// line, and the lines of one trace, may have lines of the other stream between
// them.
type group struct {
	records []agent.Record // bodies lie in text
	text    []byte
	parts   [3]part // by stream
	open    int     // how many parts are in use
	began   int64   // the time of the first line
}

type part struct {
	used    bool
	partial bool            // its last line is incomplete
	state   multiline.State // of its last line; zero: no further one can follow
	lines   int
	text    []byte
	time    int64 // of the first line, ns
	heard   int64 // of the last line
	end     int64 // the offset after it
}

func (g *group) reset() {
	g.records, g.text, g.open = g.records[:0], g.text[:0], 0
	for i := range g.parts {
		g.parts[i].used, g.parts[i].partial, g.parts[i].text = false, false, g.parts[i].text[:0]
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

// take adds the line to the record of its stream, or begins one. state is that
// after the line. What nothing can follow is closed.
func (g *group) take(l line, body []byte, state multiline.State, end int64) {
	p := &g.parts[l.stream]
	switch {
	case !p.used && !l.fragment && state == 0:
		g.add(agent.Record{Time: l.time, End: end, Stream: l.stream}, body)
		return
	case !p.used:
		p.used, p.time, p.lines = true, l.time, 1
		g.open++
	case !p.partial:
		p.text = append(p.text, '\n')
		p.lines++
	}
	p.text = append(p.text, body...)
	p.state, p.partial, p.heard, p.end = state, l.fragment, l.time, end
	if !p.partial && state == 0 {
		g.close(l.stream, end, 0)
	}
}

// expire ends the records of other streams that did not go on for a while
// before the line, which begins at end. Two streams of which each always has a
// record open would never be without: the longer that lasts, the less it takes.
func (g *group) expire(l line, end int64) {
	joined := joinPause
	switch age := l.time - g.began; {
	case age > 4*joinPause:
		joined = -1
	case age > joinPause:
		joined = joinPause / 25
	}
	for s := range g.parts {
		p, pause := &g.parts[s], joined
		if p.partial {
			pause = fragmentPause
		}
		if p.used && agent.Stream(s) != l.stream && l.time-p.heard > pause {
			g.close(agent.Stream(s), end, 0)
		}
	}
}

func (g *group) close(s agent.Stream, end int64, f agent.Flags) {
	p := &g.parts[s]
	g.add(agent.Record{Time: p.time, End: end, Stream: s, Flags: f}, p.text)
	p.used, p.partial, p.text = false, false, p.text[:0]
	g.open--
}

func (g *group) closeAll(end int64, f agent.Flags) {
	for s := range g.parts {
		if g.parts[s].used {
			g.close(agent.Stream(s), end, f)
		}
	}
}

// endLong says that no long line goes on at end.
func (g *group) endLong(end int64) {
	for s := range g.parts {
		p := &g.parts[s]
		if p.partial = false; p.used && p.state == 0 {
			g.close(agent.Stream(s), end, 0)
		}
	}
}

// closeWaiting ends the records that wait for another line.
func (g *group) closeWaiting(end int64) {
	for s := range g.parts {
		if p := &g.parts[s]; p.used && !p.partial {
			g.close(agent.Stream(s), end, 0)
		}
	}
}

// waits is the offset after the last line of those records that wait for another
// one; 0: none does.
func (g *group) waits() (end int64) {
	for s := range g.parts {
		if p := &g.parts[s]; p.used && !p.partial {
			end = max(end, p.end)
		}
	}
	return end
}
