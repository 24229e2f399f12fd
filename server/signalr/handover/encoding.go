package handover

import (
	"encoding/binary"
	"math"
)

// writer appends numbers as unsigned varints, and texts and bytes with their length before them.
type writer []byte

func (w *writer) number(value uint64) { *w = binary.AppendUvarint(*w, value) }

func (w *writer) bytes(value []byte) {
	w.number(uint64(len(value)))
	*w = append(*w, value...)
}

func (w *writer) text(value string) {
	w.number(uint64(len(value)))
	*w = append(*w, value...)
}

func (w *writer) flag(value bool) {
	if value {
		*w = append(*w, 1)
		return
	}
	*w = append(*w, 0)
}

// reader is the opposite. After the first error it reads zero values.
type reader struct {
	rest []byte
	err  error
}

func newReader(data []byte) *reader {
	switch {
	case len(data) == 0:
		return &reader{err: ErrMalformed}
	case data[0] != version:
		return &reader{err: ErrVersion}
	}
	return &reader{rest: data[1:]}
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = ErrMalformed
	}
	r.rest = nil
}

func (r *reader) number() uint64 {
	value, length := binary.Uvarint(r.rest)
	if length <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[length:]
	return value
}

func (r *reader) signed() int64 {
	value := r.number()
	if value > math.MaxInt64 {
		r.fail()
		return 0
	}
	return int64(value)
}

// count reads how many entries follow, each of at least size bytes: more than there can be are an error, before anything is
// allocated for them.
func (r *reader) count(size uint64) uint64 {
	value := r.number()
	if value > uint64(len(r.rest))/size {
		r.fail()
		return 0
	}
	return value
}

func (r *reader) bytes() []byte {
	length := r.count(1)
	value := r.rest[:length:length]
	r.rest = r.rest[length:]
	return value
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) flag() bool {
	value := r.number()
	if value > 1 {
		r.fail()
	}
	return value == 1
}

// finish returns the first error. Bytes that are left over are one.
func (r *reader) finish() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail()
	}
	return r.err
}
