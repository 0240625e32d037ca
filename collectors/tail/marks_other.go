//go:build !amd64 || purego || portable

package tail

// CanSift reports whether lines that nobody wants are told sooner than they are
// decoded. Without wide registers they are not.
func CanSift() bool { return false }

// markAll makes all the marks of block.
func markAll(block []byte, all marks) { markWords(block, all) }
