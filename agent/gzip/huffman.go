package gzip

import (
	"math/bits"
	"slices"
)

// symbols is how many an alphabet has at most.
const symbols = 286

// An alphabet is symbols with their codes, none longer than they have to be.
type alphabet struct {
	count  [symbols]uint32 // how often each is written
	length [symbols]uint8  // of its code, in bits; 0: it has none
	code   [symbols]uint16 // as it is written, the first bit the lowest
	order  [symbols]uint64 // those that are used, the rarest first: count and symbol
	nodes  [2 * symbols]node
}

// A node of the tree of codes is a symbol or, from that of the last symbol on, two
// nodes.
type node struct {
	count  uint32
	parent uint16
	depth  uint8
}

// used is how many symbols there are up to the last that has a code, at least so
// many.
func (a *alphabet) used(least int) int {
	n := symbols
	for n > least && a.length[n-1] == 0 {
		n--
	}
	return n
}

// build makes codes of at most so many bits, by Huffman.
func (a *alphabet) build(most int) {
	used := a.order[:0]
	for s, n := range a.count {
		if n > 0 {
			used = append(used, uint64(n)<<16|uint64(s))
		}
	}
	clear(a.length[:])
	slices.Sort(used)
	var lengths [16]int // how many codes have so many bits
	if len(used) == 1 {
		lengths[1] = 1
	} else {
		a.tree(used, &lengths, most)
	}
	// The rarest have the longest codes.
	next := used
	for l := most; l > 0; l-- {
		for _, x := range next[:lengths[l]] {
			a.length[uint16(x)] = uint8(l)
		}
		next = next[lengths[l]:]
	}
	// Codes of a length are numbers in the order of their symbols.
	var first [17]uint16
	for l := 1; l <= most; l++ {
		first[l+1] = (first[l] + uint16(lengths[l])) << 1
	}
	for s, l := range a.length {
		if l > 0 {
			a.code[s] = bits.Reverse16(first[l]) >> (16 - l)
			first[l]++
		}
	}
}

// tree counts the lengths of the codes of two symbols or more.
func (a *alphabet) tree(used []uint64, lengths *[16]int, most int) {
	nodes := a.nodes[:2*len(used)-1]
	for i, x := range used {
		nodes[i] = node{count: uint32(x >> 16)}
	}
	// The nodes that are made come in the order of their counts as well.
	leaf, inner := 0, len(used)
	for made := len(used); made < len(nodes); made++ {
		sum := uint32(0)
		for range 2 {
			k := inner
			if leaf < len(used) && (inner == made || nodes[leaf].count <= nodes[inner].count) {
				k = leaf
				leaf++
			} else {
				inner++
			}
			nodes[k].parent = uint16(made)
			sum += nodes[k].count
		}
		nodes[made] = node{count: sum}
	}
	for i := len(nodes) - 2; i >= 0; i-- {
		nodes[i].depth = nodes[nodes[i].parent].depth + 1
		if i < len(used) {
			lengths[min(int(nodes[i].depth), most)]++
		}
	}
	// Codes that were shortened take more room than there is: of two codes of a
	// shorter length one becomes longer, and makes room for one that was.
	room := 0
	for l := 1; l <= most; l++ {
		room += lengths[l] << (most - l)
	}
	for ; room > 1<<most; room-- {
		l := most - 1
		for lengths[l] == 0 {
			l--
		}
		lengths[l]--
		lengths[l+1] += 2
		lengths[most]--
	}
}
