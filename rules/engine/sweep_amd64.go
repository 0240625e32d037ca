//go:build !purego && !portable

package engine

import "golang.org/x/sys/cpu"

// canSweep says that sweeping is faster than going in steps.
func canSweep() bool { return cpu.X86.HasAVX2 }

// sweepAVX2 sets in found, for words times 32 places from text on, the bits of
// those at which a window may begin. It reads two bytes more.
//
//go:noescape
func sweepAVX2(text *byte, words int, s *sweep, found *uint32)

// sweepWords sets in found the places of text at which a window may begin. text
// has 32 bytes for each word of found, and two more.
func sweepWords(text []byte, s *sweep, found []uint32) {
	_ = text[32*len(found)+sweepWindow-2]
	sweepAVX2(&text[0], len(found), s, &found[0])
}
