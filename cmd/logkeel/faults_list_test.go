package main

import (
	"os"
	"path/filepath"
	"time"
)

// A fault is something that goes wrong. It lasts a while and is over when do
// returns.
type fault struct {
	name    string
	repeats bool // lines may come twice by it
	do      func(*campaign)
}

// atStart is what may happen before the agent has read anything.
var atStart = []fault{
	{"killed as it starts", true, func(c *campaign) {
		for range 1 + c.rnd.IntN(4) {
			c.a.kill()
			c.start()
			time.Sleep(between(c.rnd, 0, 600*time.Millisecond))
		}
	}},
}

// faults are what may go wrong while the agent is not away for longer than the
// rotated files last.
var faults = []fault{
	atStart[0],
	{"kill", true, func(c *campaign) { c.a.kill(); c.moment(); c.start() }},
	{"stop", false, func(c *campaign) { c.stop(); c.start() }},
	{"cut", true, func(c *campaign) { c.receiver.cut() }},
	{"cut in mid-chunk", true, func(c *campaign) { c.receiver.cutAfter(1+c.rnd.IntN(200<<10), false); c.pause(); c.receiver.mend() }},
	{"receiver killed in mid-chunk", true, func(c *campaign) {
		c.receiver.cutAfter(1+c.rnd.IntN(100<<10), true)
		c.pause()
		c.receiver.away()
		c.pause()
		c.receiver.mend()
		c.receiver.listen()
	}},
	{"acks withheld", true, func(c *campaign) { c.receiver.withhold(); c.pause(); c.receiver.mend() }},
	{"acks withheld and cut", true, func(c *campaign) { c.receiver.withhold(); c.pause(); c.receiver.cut(); c.receiver.mend() }},
	{"receiver away", true, func(c *campaign) { c.receiver.away(); c.pause(); c.receiver.listen() }},
	{"receiver away and agent killed", true, func(c *campaign) {
		c.receiver.away()
		c.pause()
		c.a.kill()
		c.start()
		c.receiver.listen()
	}},
	{"disk full", false, func(c *campaign) { c.fillDisk(); c.pause(); c.freeDisk() }},
	{"disk full, receiver away", true, func(c *campaign) {
		c.receiver.away()
		c.fillDisk()
		c.pause()
		c.freeDisk()
		c.receiver.listen()
	}},
	{"disk full, agent killed", true, func(c *campaign) {
		c.fillDisk()
		c.moment()
		c.a.kill()
		c.start()
		c.pause()
		c.freeDisk()
	}},
	{"rotations", false, func(c *campaign) { c.rotate() }},
	{"rotations while it is stopped", false, func(c *campaign) { c.stop(); c.rotate(); c.start() }},
	{"rotations while it starts", true, func(c *campaign) { c.a.kill(); c.rotate(); c.start(); c.rotate() }},
}

// clockFaults are those of a clock that somebody sets.
var clockFaults = []fault{
	{"clock stepped", false, func(c *campaign) { c.step(); c.pause() }},
	{"clock stepped while it is stopped", false, func(c *campaign) { c.stop(); c.step(); c.start() }},
	{"clock stepped, agent killed", true, func(c *campaign) { c.step(); c.moment(); c.a.kill(); c.start() }},
}

// beyondFaults take longer than the rotated files last.
var beyondFaults = []fault{
	{"stopped beyond the rotated files", false, func(c *campaign) { c.stop(); c.beyond(); c.start() }},
	{"killed beyond the rotated files", true, func(c *campaign) { c.a.kill(); c.beyond(); c.start() }},
	{"killed and overtaken as it starts", true, func(c *campaign) { c.a.kill(); c.start(); c.beyond() }},
}

// quiet are those faults by which nothing may come twice.
func quiet(all []fault) (some []fault) {
	for _, f := range all {
		if !f.repeats {
			some = append(some, f)
		}
	}
	return some
}

// pause is as long as a fault lasts.
func (c *campaign) pause() { time.Sleep(between(c.rnd, 20*time.Millisecond, 800*time.Millisecond)) }

// moment is for what happens close together.
func (c *campaign) moment() { time.Sleep(between(c.rnd, 0, 150*time.Millisecond)) }

func (c *campaign) start() {
	c.starts++
	c.a.start()
}

// stop stops the agent once it can be stopped.
func (c *campaign) stop() {
	eventually(c.t, "the agent can be stopped", waitLong, func() bool { _, err := c.a.page(); return err == nil })
	c.a.stop()
}

// rotate rotates a log again and again with a line or a few in each file.
func (c *campaign) rotate() {
	log := c.logs[c.rnd.IntN(len(c.logs))]
	for range 1 + c.rnd.IntN(6) {
		log.write(1 + c.rnd.IntN(3))
		log.rotate()
	}
}

// beyond writes more to a log than it keeps.
func (c *campaign) beyond() {
	log := c.logs[c.rnd.IntN(len(c.logs))]
	for range log.files + c.rnd.IntN(4) {
		log.write(1 + c.rnd.IntN(400))
		log.rotate()
	}
}

func (c *campaign) ballast() string { return filepath.Join(c.state, "ballast") }

// fillDisk leaves no room for spool and positions.
func (c *campaign) fillDisk() { os.WriteFile(c.ballast(), make([]byte, 32<<20), 0o600) }

func (c *campaign) freeDisk() { os.Remove(c.ballast()) }
