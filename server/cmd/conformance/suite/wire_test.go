package suite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// wire moves the bytes of one connection on one transport.
type wire interface {
	// write sends bytes; binary tells what a WebSocket marks them as.
	write(data []byte, binary bool) error
	// read returns the next bytes. At the end it returns io.EOF or, for a WebSocket that was closed, a *closeError.
	read() ([]byte, error)
	// cut drops the connection without a goodbye.
	cut()
}

// socketWire is the WebSockets transport.
type socketWire struct{ *socket }

func (w socketWire) write(data []byte, binary bool) error {
	if binary {
		return w.socket.write(opBinary, data)
	}
	return w.socket.write(opText, data)
}

func (w socketWire) read() ([]byte, error) {
	_, message, err := w.socket.read()
	return message, err
}

// requests is what server-sent events and long polling have in common: what the client sends goes in POSTs.
type requests struct {
	address string
	header  http.Header
	// end ends what is under way.
	ctx context.Context
	end context.CancelFunc
}

func (r *requests) write(data []byte, _ bool) error {
	a, err := ask(r.ctx, http.MethodPost, r.address, data, r.header)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("a POST was answered with %d %q", a.status, a.body)
	}
	return err
}

func (r *requests) cut() { r.end() }

// eventWire is the server-sent events transport.
type eventWire struct {
	requests
	response *http.Response
	reader   *bufio.Reader
}

// openEvents asks for the stream of events.
func openEvents(address string, header http.Header) (*eventWire, error) {
	w := &eventWire{requests: requests{address: address, header: header}}
	w.ctx, w.end = context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(w.ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Accept", "text/event-stream")
	if w.response, err = web.Do(request); err != nil {
		return nil, err
	}
	w.reader = bufio.NewReader(w.response.Body)
	return w, nil
}

// readRaw returns one event as it is on the wire, the blank line at its end included.
func (w *eventWire) readRaw() (string, error) {
	defer w.limit()()
	var event strings.Builder
	for {
		line, err := w.reader.ReadString('\n')
		event.WriteString(line)
		if err != nil {
			return event.String(), err
		}
		if line == "\r\n" {
			return event.String(), nil
		}
	}
}

// limit ends the stream if it is not called off before patience ends.
func (w *eventWire) limit() (callOff func()) {
	timer := time.AfterFunc(patience, w.end)
	return func() { timer.Stop() }
}

func (w *eventWire) read() ([]byte, error) {
	event, err := w.readRaw()
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(event, "\r\n"), "\r\n") {
		if data, isData := strings.CutPrefix(line, "data: "); isData {
			lines = append(lines, data)
		}
	}
	return []byte(strings.Join(lines, "\n")), nil
}

// pollWire is the long-polling transport.
type pollWire struct{ requests }

func newPollWire(address string, header http.Header) *pollWire {
	w := &pollWire{requests{address: address, header: header}}
	w.ctx, w.end = context.WithCancel(context.Background())
	return w
}

// poll asks once.
func (w *pollWire) poll() (answer, error) {
	ctx, cancel := context.WithTimeout(w.ctx, 4*patience)
	defer cancel()
	return ask(ctx, http.MethodGet, w.address, nil, w.header)
}

// read polls until there is something. An empty answer is a poll that timed out.
func (w *pollWire) read() ([]byte, error) {
	for {
		a, err := w.poll()
		switch {
		case err != nil:
			return nil, err
		case a.status == http.StatusNoContent:
			return nil, io.EOF
		case a.status != http.StatusOK:
			return nil, fmt.Errorf("a poll was answered with %d %q", a.status, a.body)
		case a.body != "":
			return []byte(a.body), nil
		}
	}
}

// splitText takes JSON messages apart. What does not end with a message is an error: no client could read on.
func splitText(data []byte) ([][]byte, error) {
	rest, complete := bytes.CutSuffix(data, []byte{separator})
	if !complete {
		return nil, fmt.Errorf("what was sent at once does not end with a message: %q", data)
	}
	return bytes.Split(rest, []byte{separator}), nil
}

// separator ends every JSON message.
const separator = 0x1E

// splitPacked takes MessagePack messages apart: each has its length before it, seven bits to a byte.
func splitPacked(data []byte) (messages [][]byte, err error) {
	for len(data) > 0 {
		length, shift, at := 0, 0, 0
		for ; at < len(data); at++ {
			length |= int(data[at]&0x7F) << shift
			shift += 7
			if data[at] < 0x80 {
				break
			}
		}
		at++
		if at+length > len(data) {
			return nil, errors.New("what was sent at once does not end with a message")
		}
		messages = append(messages, data[at:at+length])
		data = data[at+length:]
	}
	return messages, nil
}
