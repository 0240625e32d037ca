package agent

// A Tap is shown what goes through a Pipeline, as the outputs are: after the rules
// and redaction. It keeps no positions, keeps nothing of a batch, and waits for
// nothing: it is called from the goroutines that read logs.
type Tap interface {
	// Wants reports whether records of the source are wanted that have no findings.
	// Where they are not, lines may be passed over.
	Wants(src *Source) bool
	// Records shows the records of b from index from on: each once in the life of
	// the process, however often an output fails.
	Records(b *Batch, from int)
}

// SetTap has t shown each batch from now on; nil: nobody. As long as nobody is, it
// costs one atomic load a batch.
func (p *Pipeline) SetTap(t Tap) {
	if t == nil {
		p.tap.Store(nil)
		return
	}
	p.tap.Store(&t)
}

// tapped is what is shown batches now; nil: nothing is.
func (p *Pipeline) tapped() Tap {
	if t := p.tap.Load(); t != nil {
		return *t
	}
	return nil
}

// SetTap is the Pipeline's; a reload does not change it.
func (a *Agent) SetTap(t Tap) { a.pipeline.SetTap(t) }
