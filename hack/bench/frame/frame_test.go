package frame_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatcluster/chatcluster/hack/bench/frame"
)

// collector is a Handler that keeps what it gets.
type collector struct {
	splitter frame.Splitter
	records  []string
	controls []string
	stop     error
}

func (c *collector) Data(piece []byte) error {
	for len(piece) > 0 {
		record, rest, ok, err := c.splitter.Next(piece)
		if err != nil || !ok {
			return err
		}
		c.records = append(c.records, string(record))
		piece = rest
	}
	return c.stop
}

func (c *collector) Control(opcode frame.Opcode, payload []byte) error {
	c.controls = append(c.controls, fmt.Sprintf("%d %s", opcode, payload))
	return nil
}

// serverFrame is an unmasked frame as servers send it.
func serverFrame(first byte, payload string) []byte {
	out := []byte{first}
	switch size := len(payload); {
	case size < 126:
		out = append(out, byte(size))
	case size < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, 126), uint16(size))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 127), uint64(size))
	}
	return append(out, payload...)
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// conversation has every shape of frame: many records in a frame, a record over several frames with a ping between
// them, empty frames, and lengths of all three encodings.
func conversation() (wire []byte, records, controls []string) {
	medium, large := strings.Repeat("m", 300), strings.Repeat("l", 70_000)
	wire = join(
		serverFrame(0x81, "one\x1etwo\x1e"),
		serverFrame(0x01, "thr"), serverFrame(0x89, "are you there"), serverFrame(0x00, ""), serverFrame(0x80, "ee\x1e"),
		serverFrame(0x81, ""),
		serverFrame(0x82, medium+"\x1e"),
		serverFrame(0x8A, ""),
		serverFrame(0x81, large+"\x1e\x1e"),
		serverFrame(0x88, "\x03\xe8bye"),
	)
	return wire, []string{"one", "two", "three", medium, large, ""}, []string{"9 are you there", "10 ", "8 \x03\xe8bye"}
}

func TestReaderFindsTheSameHoweverTheNetworkCutsTheBytes(t *testing.T) {
	t.Parallel()
	wire, records, controls := conversation()
	for _, size := range []int{1, 2, 3, 5, 7, 64, 1000, 65_536, len(wire)} {
		var reader frame.Reader
		var got collector
		for rest := wire; len(rest) > 0; {
			piece := rest[:min(size, len(rest))]
			if err := reader.Feed(bytes.Clone(piece), &got); err != nil {
				t.Fatalf("pieces of %d: %v", size, err)
			}
			rest = rest[len(piece):]
		}
		if diff := cmp.Diff(records, got.records); diff != "" {
			t.Errorf("pieces of %d: records differ (-want +got):\n%.400s", size, diff)
		}
		if diff := cmp.Diff(controls, got.controls); diff != "" {
			t.Errorf("pieces of %d: controls differ (-want +got):\n%s", size, diff)
		}
	}
}

func TestReaderRefusesWhatServersMustNotSend(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string][]byte{
		"reserved bit":          {0xC1, 0x00},
		"masked":                {0x81, 0x80},
		"unknown data opcode":   {0x83, 0x00},
		"unknown control":       {0x8B, 0x00},
		"fragmented ping":       {0x09, 0x00},
		"long ping":             {0x89, 126, 0, 200},
		"length beyond reason":  {0x81, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
		"length with a top bit": {0x81, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var reader frame.Reader
			if err := reader.Feed(wire, &collector{}); !errors.Is(err, frame.ErrProtocol) {
				t.Errorf("got %v, want ErrProtocol", err)
			}
		})
	}
}

func TestReaderReturnsTheHandlersError(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	var reader frame.Reader
	if err := reader.Feed(serverFrame(0x81, "a\x1e"), &collector{stop: stop}); !errors.Is(err, stop) {
		t.Errorf("got %v, want the handler's error", err)
	}
}

func TestSplitterBoundsARecordWithoutEnd(t *testing.T) {
	t.Parallel()
	var splitter frame.Splitter
	piece := make([]byte, 1<<20)
	for range 4 {
		if _, _, _, err := splitter.Next(piece); err != nil {
			t.Fatalf("4 MiB refused: %v", err)
		}
	}
	if _, _, _, err := splitter.Next(piece); err == nil {
		t.Error("5 MiB without a separator accepted")
	}
}

func TestAppendMasksAndEncodesEveryLength(t *testing.T) {
	t.Parallel()
	key := [4]byte{0xA1, 0x02, 0x33, 0xF4}
	for _, size := range []int{0, 1, 125, 126, 65_535, 65_536} {
		payload := strings.Repeat("p", size)
		wire := frame.Append([]byte("before"), frame.Text, key, []byte(payload))
		unmasked := unmask(t, bytes.TrimPrefix(wire, []byte("before")), key)
		if want := serverFrame(0x81, payload); !bytes.Equal(unmasked, want) {
			t.Errorf("%d bytes: frame starts % x, want % x", size, unmasked[:min(12, len(unmasked))], want[:min(12, len(want))])
		}
	}
}

// unmask turns a client's frame into the server's of the same content, and checks that it was masked with key.
func unmask(t *testing.T, wire []byte, key [4]byte) []byte {
	t.Helper()
	if wire[1]&0x80 == 0 {
		t.Fatal("frame is not masked")
	}
	header := map[byte]int{126: 4, 127: 10}[wire[1]&0x7F]
	if header == 0 {
		header = 2
	}
	if !bytes.Equal(wire[header:header+4], key[:]) {
		t.Fatalf("mask key is % x", wire[header:header+4])
	}
	out := append([]byte{wire[0], wire[1] & 0x7F}, wire[2:header]...)
	for i, b := range wire[header+4:] {
		out = append(out, b^key[i%4])
	}
	return out
}

func FuzzReader(f *testing.F) {
	wire, _, _ := conversation()
	f.Add(wire[:2000], 3)
	f.Add([]byte{0x89, 0x00, 0x81, 0x02, 'a', 0x1E}, 1)
	f.Add([]byte{0x81, 127, 0xFF}, 2)
	f.Fuzz(func(t *testing.T, wire []byte, cut int) {
		var whole, pieces collector
		var first, second frame.Reader
		wholeErr := first.Feed(bytes.Clone(wire), &whole)
		at := max(0, min(cut, len(wire)))
		pieceErr := second.Feed(bytes.Clone(wire[:at]), &pieces)
		if pieceErr == nil {
			pieceErr = second.Feed(bytes.Clone(wire[at:]), &pieces)
		}
		if (wholeErr == nil) != (pieceErr == nil) {
			t.Fatalf("whole: %v, in pieces: %v", wholeErr, pieceErr)
		}
		if diff := cmp.Diff(whole.records, pieces.records); diff != "" {
			t.Errorf("records differ (-whole +pieces):\n%s", diff)
		}
		if diff := cmp.Diff(whole.controls, pieces.controls); diff != "" {
			t.Errorf("controls differ (-whole +pieces):\n%s", diff)
		}
	})
}
