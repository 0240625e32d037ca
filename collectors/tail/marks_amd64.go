//go:build !purego

package tail

import "golang.org/x/sys/cpu"

// markAVX2 marks words times 64 bytes, from block on.
//
//go:noescape
func markAVX2(block *byte, words int, back, quote *uint64)

// markAll sets the bits of block's backslashes and quotes.
func markAll(block []byte, back, quote []uint64) {
	n := len(block) / 64
	if !cpu.X86.HasAVX2 || n == 0 {
		n = 0
	} else {
		markAVX2(&block[0], n, &back[0], &quote[0])
	}
	markWords(block[64*n:], back[n:], quote[n:])
}
