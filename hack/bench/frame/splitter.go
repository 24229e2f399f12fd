package frame

import (
	"bytes"
	"fmt"
)

// Separator ends each hub message of the JSON protocol (HubProtocol.md, "JSON Encoding").
const Separator = 0x1E

// maxRecord bounds what one connection may gather of a hub message that does not end.
const maxRecord = 4 << 20

// Splitter cuts a stream of payload pieces into hub messages. One piece can hold many, and one message can span
// many pieces. The zero value is ready. Not for concurrent use.
type Splitter struct {
	partial []byte
}

// Next returns the first complete hub message, without its separator, and what follows it in piece.
// Without one (ok is false) it keeps the piece. The message is valid until the next call.
func (s *Splitter) Next(piece []byte) (record, rest []byte, ok bool, err error) {
	end := bytes.IndexByte(piece, Separator)
	if end < 0 {
		if len(s.partial)+len(piece) > maxRecord {
			return nil, nil, false, fmt.Errorf("hub message longer than %d bytes", maxRecord)
		}
		s.partial = append(s.partial, piece...)
		return nil, nil, false, nil
	}
	record, rest = piece[:end], piece[end+1:]
	if len(s.partial) > 0 {
		record = append(s.partial, record...)
		s.partial = record[:0]
	}
	return record, rest, true, nil
}
