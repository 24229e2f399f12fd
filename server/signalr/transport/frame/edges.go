package frame

import "encoding/binary"

// Edges finds where the frames end that a server writes, in bytes that are cut anywhere. The zero value is at an edge.
type Edges struct {
	// header is the beginning of the present frame's header, have how much of it has come.
	header [shortest + 8]byte
	have   uint8
	// left is how much of the frame's payload has not come.
	left uint64
}

// AtEdge tells whether all frames that have begun are complete.
func (e *Edges) AtEdge() bool { return e.have == 0 && e.left == 0 }

// Advance takes data up to the next edge, or all of it if there is none, and returns how much that was.
func (e *Edges) Advance(data []byte) int {
	taken := 0
	for taken < len(data) {
		if e.left == 0 {
			e.header[e.have] = data[taken]
			e.have++
			taken++
			if !e.begin() {
				continue
			}
		}
		count := min(e.left, uint64(len(data)-taken))
		e.left -= count
		taken += int(count)
		if e.left == 0 {
			break
		}
	}
	return taken
}

// begin reads the header once it is complete.
func (e *Edges) begin() bool {
	if e.have < shortest {
		return false
	}
	length := uint64(e.header[1] & lengthBits)
	switch {
	case length == length16 && e.have < shortest+2, length == length64 && e.have < shortest+8:
		return false
	case length == length16:
		length = uint64(binary.BigEndian.Uint16(e.header[shortest:]))
	case length == length64:
		length = binary.BigEndian.Uint64(e.header[shortest:])
	}
	e.have, e.left = 0, length
	return true
}
