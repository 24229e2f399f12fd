package frame

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// However the bytes are cut, an edge is where a frame ends and nowhere else.
func TestEdgesAreWhereFramesEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		ends := map[int]bool{0: true}
		for range rapid.IntRange(1, 5).Draw(t, "frames") {
			length := rapid.SampledFrom([]int{0, 1, 5, 125, 126, 127, 300, 65535, 65536, 70000}).Draw(t, "length")
			stream = appendFrame(stream, length)
			ends[len(stream)] = true
		}
		var edges Edges
		for at := 0; at < len(stream); {
			piece := stream[at:min(len(stream), at+rapid.SampledFrom([]int{1, 2, 3, 9, 100, 4096, 100_000}).Draw(t, "piece"))]
			taken := edges.Advance(piece)
			if taken == 0 || taken < len(piece) && !edges.AtEdge() {
				t.Fatalf("%d of %d bytes taken at %d", taken, len(piece), at)
			}
			at += taken
			if edges.AtEdge() != ends[at] {
				t.Fatalf("at %d: edge %v, want %v", at, edges.AtEdge(), ends[at])
			}
		}
	})
}

func appendFrame(stream []byte, length int) []byte {
	stream = append(stream, finalBit|byte(Binary))
	switch {
	case length < length16:
		stream = append(stream, byte(length))
	case length <= 0xFFFF:
		stream = append(stream, length16, byte(length>>8), byte(length))
	default:
		stream = append(stream, length64, 0, 0, 0, 0, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
	}
	return append(stream, strings.Repeat("x", length)...)
}
