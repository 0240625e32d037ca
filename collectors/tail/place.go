package tail

import (
	"io/fs"
	"os"
	"slices"

	"github.com/webgrip/logkeel/agent"
)

// A place is where a position was found in a chain.
type place struct {
	match match // other: nowhere
	file  int   // its index, the oldest first
}

// A plan says how a chain is read so that each consumer gets what it lacks. The
// number of a file is the epoch of the positions in it.
type plan struct {
	numbers []uint64       // of the files, the oldest first
	gaps    []bool         // lines may be missing before the file
	file    int            // to begin with
	pos     agent.Position // in it, without its number
}

// search looks for the positions, which are in their order, in the chain's
// files. It ends at the file of the first one where that is beyond doubt.
func (c chain) search(positions []agent.Position) (walk, []place, error) {
	found := make([]place, len(positions))
	w, err := c.walk(func(n int, f opened) (bool, error) {
		if n == 0 {
			clear(found)
		}
		for i, p := range positions {
			m, err := c.host.holds(f, p)
			if err != nil {
				return false, err
			}
			// Among equal ones the oldest loses nothing.
			if m != other && m >= found[i].match {
				found[i] = place{m, n}
			}
		}
		return found[0].match == exact, nil
	})
	for i := range found {
		found[i].file = len(w.met) - 1 - found[i].file
	}
	return w, found, err
}

// newPlan makes a plan for n files. The positions are in their order; each lies
// where places says.
func newPlan(n int, positions []agent.Position, places []place) plan {
	p := plan{numbers: fit(n, positions, places), gaps: make([]bool, n)}
	low := places[0]
	switch {
	case p.numbers == nil:
		p.restart(n, positions, places)
	case low.match == other: // what has a lower number is older than its file
		p.file = max(0, slices.IndexFunc(p.numbers, func(e uint64) bool { return e > positions[0].Epoch }))
	default:
		p.file, p.pos = low.file, positions[0]
	}
	if p.pos.Offset == 0 { // nothing of the file was read
		p.pos = agent.Position{Time: positions[0].Time}
	}
	p.gaps[p.file] = low.match < equal
	for i := p.file + 1; i < n; i++ {
		p.gaps[i] = p.numbers[i] > p.numbers[i-1]+1
	}
	return p
}

// restart numbers the files anew, above all that was: what lies before some
// position comes again, for nobody can tell what its consumer has had.
func (p *plan) restart(n int, positions []agent.Position, places []place) {
	for i, at := range places {
		file, pos := at.file, positions[i]
		switch at.match {
		case other:
			file, pos.Offset = 0, 0
		case cut:
			pos.Offset = 0
		}
		if i == 0 || file < p.file || file == p.file && pos.Offset < p.pos.Offset {
			p.file, p.pos = file, pos
		}
	}
	p.numbers = make([]uint64, n)
	for i := range p.numbers {
		p.numbers[i] = positions[len(positions)-1].Epoch + 1 + uint64(i)
	}
}

// fit numbers the files so that each position that was found keeps its number.
// In between the numbers are the highest that fit, so that a consumer whose own
// file is gone gets a file again rather than not at all. nil: nothing fits.
func fit(n int, positions []agent.Position, places []place) []uint64 {
	numbers := make([]uint64, n)
	gone := map[uint64]bool{}
	for i, at := range places {
		switch epoch := positions[i].Epoch; {
		case at.match == cut:
			return nil
		case at.match == other:
			gone[epoch] = true
		case numbers[at.file] != 0 && numbers[at.file] != epoch:
			return nil
		default:
			numbers[at.file] = epoch
		}
	}
	last := -1 // the newest file with a position
	for i := n - 1; i >= 0; i-- {
		if epoch := numbers[i]; epoch != 0 {
			if gone[epoch] || i < last && epoch >= numbers[i+1] {
				return nil
			}
			last = max(last, i)
			continue
		}
		if last < 0 {
			continue
		}
		e := numbers[i+1] - 1
		for gone[e] {
			e--
		}
		if e == 0 || e > numbers[i+1] {
			return nil
		}
		numbers[i] = e
	}
	// The newest ones are beyond all positions.
	before := positions[len(positions)-1].Epoch
	for i := last + 1; i < n; i++ {
		before++
		numbers[i] = before
	}
	return numbers
}

// A numbered file is one of a plan.
type numbered struct {
	info   fs.FileInfo
	number uint64
	gap    bool
}

// list is the plan by file. met are the files, and the list has them, the newest
// first.
func (p plan) list(met []fs.FileInfo) []numbered {
	all := make([]numbered, len(met))
	for i, info := range met {
		k := len(met) - 1 - i
		all[i] = numbered{info, p.numbers[k], p.gaps[k]}
	}
	return all
}

// apply tells the files, the oldest first, what the plan says of them. It returns
// the plan of those that are newer.
func apply(plan []numbered, files []opened) (more []numbered) {
	for i := range files {
		f := &files[i]
		k := slices.IndexFunc(plan, func(n numbered) bool { return os.SameFile(n.info, f.info) })
		// A file that was rotated does not change: this one has got its inode.
		if k < 0 || k > 0 && !f.info.ModTime().Equal(plan[k].info.ModTime()) {
			return nil
		}
		f.epoch, f.gap = plan[k].number, plan[k].gap
		plan = plan[:k]
	}
	return plan
}
