//go:build !amd64 || purego || portable

package engine

// canSweep says that sweeping is faster than going in steps: without wide
// registers it is not.
func canSweep() bool { return false }

func sweepWords(text []byte, s *sweep, found []uint32) { s.words(text, found) }
