package load

const wordBits = 64

// bitset remembers which broadcasts one connection has received.
type bitset []uint64

// add marks position and tells whether it was new.
func (b *bitset) add(position uint32) bool {
	word, bit := int(position/wordBits), uint64(1)<<(position%wordBits)
	for len(*b) <= word {
		*b = append(*b, 0)
	}
	fresh := (*b)[word]&bit == 0
	(*b)[word] |= bit
	return fresh
}

// clear forgets everything and keeps the memory.
func (b *bitset) clear() {
	clear(*b)
}
