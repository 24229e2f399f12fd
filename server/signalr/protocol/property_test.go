package protocol

import (
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func eachProtocol(t *testing.T, check func(t *testing.T, protocol Protocol)) {
	for _, protocol := range protocols {
		t.Run(protocol.Name(), func(t *testing.T) { check(t, protocol) })
	}
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol Protocol) {
		rapid.Check(t, func(r *rapid.T) {
			message := anyMessage(t, protocol).Draw(r, "message")
			encoded, err := protocol.Append(nil, message)
			if err != nil {
				r.Fatal(err)
			}
			decoded, length, err := protocol.Decode(encoded, len(encoded))
			if err != nil || length != len(encoded) {
				r.Fatalf("took %d of %d bytes: %v", length, len(encoded), err)
			}
			mustEqual(r, "decoded", message, decoded)
			if _, _, err := protocol.Decode(encoded, len(encoded)-1); !errors.Is(err, ErrTooLarge) {
				r.Fatalf("limit of one byte less: %v", err)
			}
		})
	})
}

// TestChunksMakeNoDifference feeds several messages in pieces of any size, as a network does.
func TestChunksMakeNoDifference(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol Protocol) {
		rapid.Check(t, func(r *rapid.T) {
			messages := rapid.SliceOfN(anyMessage(t, protocol), 1, 4).Draw(r, "messages")
			var stream []byte
			largest := 0
			for _, message := range messages {
				before := len(stream)
				var err error
				if stream, err = protocol.Append(stream, message); err != nil {
					r.Fatal(err)
				}
				largest = max(largest, len(stream)-before)
			}
			var buffer []byte
			var decoded []Message
			for len(stream) > 0 {
				size := rapid.IntRange(1, len(stream)).Draw(r, "chunk")
				buffer = append(buffer, stream[:size]...)
				stream = stream[size:]
				for {
					message, length, err := protocol.Decode(buffer, largest)
					if err != nil {
						r.Fatal(err)
					}
					if length == 0 {
						break
					}
					decoded = append(decoded, message)
					buffer = buffer[length:]
				}
			}
			mustEqual(r, "decoded", messages, decoded)
		})
	})
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	type inner struct {
		Text string
		List []string
	}
	type value struct {
		Text    string
		Flag    bool
		Small   int8
		Large   int64
		Natural uint64
		Float   float64
		Single  float32
		Bytes   []byte
		List    []int
		Map     map[string]inner
		Numbers map[int]bool
		Inner   *inner
		Inners  []inner
		Missing *string
	}
	eachProtocol(t, func(t *testing.T, protocol Protocol) {
		rapid.Check(t, func(r *rapid.T) {
			text := anyText()
			someInner := rapid.Custom(func(r *rapid.T) inner {
				return inner{text.Draw(r, "text"), rapid.SliceOfN(text, 0, 3).Draw(r, "list")}
			})
			one := someInner.Draw(r, "inner")
			original := value{
				Text: text.Draw(r, "text"), Flag: rapid.Bool().Draw(r, "flag"), Small: rapid.Int8().Draw(r, "small"),
				Large: rapid.Int64().Draw(r, "large"), Natural: rapid.Uint64().Draw(r, "natural"), Float: rapid.Float64().Draw(r, "float"),
				Single: rapid.Float32().Draw(r, "single"), Bytes: rapid.SliceOf(rapid.Byte()).Draw(r, "bytes"), List: rapid.SliceOf(rapid.Int()).Draw(r, "list"),
				Map:     rapid.MapOfN(text, someInner, 0, 3).Draw(r, "map"),
				Numbers: rapid.MapOf(rapid.Int(), rapid.Bool()).Draw(r, "numbers"), Inner: &one, Inners: rapid.SliceOfN(someInner, 0, 3).Draw(r, "inners"),
			}
			var read value
			if err := protocol.Unmarshal(encodeValue(t, protocol, original), &read); err != nil {
				r.Fatal(err)
			}
			mustEqual(r, "struct", original, read)
			anything := anyValue(r, 4)
			var back any
			if err := protocol.Unmarshal(encodeValue(t, protocol, anything), &back); err != nil {
				r.Fatal(err)
			}
			mustEqual(r, "anything", anything, back)
		})
	})
}

func TestTimesComeBackAsTheyWere(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol Protocol) {
		rapid.Check(t, func(r *rapid.T) {
			first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).Unix()
			at := time.Unix(rapid.Int64Range(first, last).Draw(r, "seconds"), rapid.Int64Range(0, 999999999).Draw(r, "nanoseconds"))
			var read time.Time
			if err := protocol.Unmarshal(encodeValue(t, protocol, at), &read); err != nil || !read.Equal(at) {
				r.Fatalf("%v became %v: %v", at, read, err)
			}
		})
	})
}

// TestIntegersFitWhereTheyAreInRange binds every integer to every integer type: it arrives unchanged or not at all.
func TestIntegersFitWhereTheyAreInRange(t *testing.T) {
	borders := []any{int64(0), int64(-1), int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxUint64), uint64(math.MaxInt64 + 1)}
	for bits := 6; bits < 64; bits++ {
		for offset := int64(-1); offset <= 1; offset++ {
			borders = append(borders, int64(1)<<bits+offset, -(int64(1)<<bits)+offset)
		}
	}
	eachProtocol(t, func(t *testing.T, protocol Protocol) {
		for _, number := range borders {
			raw := encodeValue(t, protocol, number)
			checkInteger[int8](t, protocol, raw, number)
			checkInteger[int16](t, protocol, raw, number)
			checkInteger[int32](t, protocol, raw, number)
			checkInteger[int64](t, protocol, raw, number)
			checkInteger[uint8](t, protocol, raw, number)
			checkInteger[uint16](t, protocol, raw, number)
			checkInteger[uint32](t, protocol, raw, number)
			checkInteger[uint64](t, protocol, raw, number)
		}
	})
}

func checkInteger[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](t *testing.T, protocol Protocol, raw Raw, number any) {
	t.Helper()
	var want T
	fits := false
	switch number := number.(type) {
	case int64:
		want = T(number)
		fits = int64(want) == number && (want < 0) == (number < 0)
	case uint64:
		want = T(number)
		fits = uint64(want) == number && want >= 0
	}
	var got T
	err := protocol.Unmarshal(raw, &got)
	if fits != (err == nil) || fits && got != want {
		t.Errorf("%v into %T: got %v, %v", number, got, got, err)
	}
}
