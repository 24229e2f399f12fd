package stream

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ID is the id of a stream entry: the time at which Redis took it, by the clock of Redis, in milliseconds, and a number
// that tells apart entries of one millisecond. The zero ID stands before all entries.
type ID struct {
	Milliseconds, Sequence uint64
}

var errBadID = errors.New("not a stream id")

// ParseID reads "milliseconds-sequence".
func ParseID(text string) (ID, error) {
	before, behind, found := strings.Cut(text, "-")
	milliseconds, errBefore := strconv.ParseUint(before, 10, 64)
	sequence, errBehind := strconv.ParseUint(behind, 10, 64)
	if !found || errBefore != nil || errBehind != nil {
		return ID{}, errBadID
	}
	return ID{milliseconds, sequence}, nil
}

func (i ID) String() string {
	return strconv.FormatUint(i.Milliseconds, 10) + "-" + strconv.FormatUint(i.Sequence, 10)
}

// Before tells whether i stands before other.
func (i ID) Before(other ID) bool {
	if i.Milliseconds != other.Milliseconds {
		return i.Milliseconds < other.Milliseconds
	}
	return i.Sequence < other.Sequence
}

// Earlier returns the first id of the millisecond that lies so long before i.
func (i ID) Earlier(by time.Duration) ID {
	distance := uint64(max(by, 0).Milliseconds())
	return ID{Milliseconds: i.Milliseconds - min(distance, i.Milliseconds)}
}
