package process

import (
	"bytes"
	"sync"
)

const tailBytes = 2 << 10

// tail keeps the end of a process's output, for the message should it fail.
type tail struct {
	mutex sync.Mutex
	kept  []byte // guarded by mutex
}

// Write implements io.Writer.
func (t *tail) Write(output []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.kept = append(t.kept, output...)
	if surplus := len(t.kept) - tailBytes; surplus > 0 {
		t.kept = append(t.kept[:0], t.kept[surplus:]...)
	}
	return len(output), nil
}

// quote is what is kept, to be put after an error message; empty if there was no output.
func (t *tail) quote() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	text := bytes.TrimSpace(t.kept)
	if len(text) == 0 {
		return ""
	}
	return "; its last output:\n" + string(text)
}
