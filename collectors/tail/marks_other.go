//go:build !amd64 || purego

package tail

// markAll sets the bits of block's backslashes and quotes.
func markAll(block []byte, back, quote []uint64) { markWords(block, back, quote) }
