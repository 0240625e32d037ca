//go:build !purego && !portable

package tail

import "golang.org/x/sys/cpu"

// CanSift reports whether lines that nobody wants are told sooner than they are
// decoded. Without wide registers they are not.
func CanSift() bool { return cpu.X86.HasAVX2 }

// markAVX2 marks n times 64 bytes, from block on.
//
//go:noescape
func markAVX2(block *byte, n int, all *mark)

// markAll makes all the marks of block.
func markAll(block []byte, all marks) {
	n := len(block) / 64
	if !cpu.X86.HasAVX2 || n == 0 {
		n = 0
	} else {
		markAVX2(&block[0], n, &all[0])
	}
	markWords(block[64*n:], all[n:])
}
