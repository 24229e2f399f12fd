package load

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/chatcluster/chatcluster/hack/bench/frame"
	"github.com/chatcluster/chatcluster/hack/bench/stamp"
)

// Hub message types (HubProtocol.md, "JSON Encoding").
const (
	typeCompletion = 3
	typePing       = 6
	typeClose      = 7
)

var errServerClosed = errors.New("closed by the server")

// client is one connection.
type client struct {
	swarm   *Swarm
	index   int
	address string
	socket  socket      // set once, before open
	open    atomic.Bool // the connection can be written to

	// Guarded by the swarm's mutex.
	frames     frame.Reader
	records    frame.Splitter
	handshaken bool
	offset     int    // where the last stamp was in its record; the next is there too
	now        int64  // when the bytes being read arrived
	seen       bitset // broadcasts of this phase that have arrived
	call       string // id of the invocation whose completion is awaited
	reply      reply  // what the bytes being read ask for
	lost       error  // why the connection is gone
}

// reply is what a client must do once its bytes are read and the lock is released.
type reply struct {
	pong      []byte // frames to write
	completed bool   // the awaited completion came
}

// takeReply returns what is to be done; while the connection cannot be written to, that has to wait.
func (c *client) takeReply() reply {
	if !c.open.Load() {
		return reply{}
	}
	todo := c.reply
	c.reply = reply{}
	return todo
}

// Data implements frame.Handler.
func (c *client) Data(piece []byte) error {
	for len(piece) > 0 {
		record, rest, ok, err := c.records.Next(piece)
		if err != nil || !ok {
			return err
		}
		if err := c.record(record); err != nil {
			return err
		}
		piece = rest
	}
	return nil
}

// Control implements frame.Handler.
func (c *client) Control(opcode frame.Opcode, payload []byte) error {
	switch opcode {
	case frame.Ping:
		c.reply.pong = frame.Append(c.reply.pong, frame.Pong, frame.MaskKey(), payload)
	case frame.Close:
		return closeError(payload)
	}
	return nil
}

func closeError(payload []byte) error {
	if len(payload) < 2 {
		return fmt.Errorf("%w: close frame without a code", errServerClosed)
	}
	return fmt.Errorf("%w: close frame %d %q", errServerClosed, binary.BigEndian.Uint16(payload), payload[2:])
}

func (c *client) record(record []byte) error {
	if mark, ok := c.stampOf(record); ok {
		c.swarm.phase.deliver(c, mark)
		return nil
	}
	if !c.handshaken {
		c.handshaken = true
		return checkHandshake(record)
	}
	return c.other(record)
}

// stampOf looks where the last stamp was and searches only if there is none: servers write the same
// text before every message.
func (c *client) stampOf(record []byte) (stamp.Stamp, bool) {
	if c.offset < len(record) {
		if mark, ok := stamp.Parse(record[c.offset:]); ok {
			return mark, true
		}
	}
	at := bytes.IndexByte(record, stamp.Mark)
	if at < 0 {
		return stamp.Stamp{}, false
	}
	c.offset = at
	return stamp.Parse(record[at:])
}

// other handles every hub message that is no broadcast of ours.
func (c *client) other(record []byte) error {
	var message struct {
		Type         int    `json:"type"`
		InvocationID string `json:"invocationId"`
		Error        string `json:"error"`
	}
	if err := json.Unmarshal(record, &message); err != nil {
		return fmt.Errorf("hub message is no JSON: %w", err)
	}
	switch message.Type {
	case typeCompletion:
		c.complete(message.InvocationID, message.Error)
	case typeClose:
		return fmt.Errorf("%w: Close message %q", errServerClosed, message.Error)
	case typePing:
	default:
		c.swarm.phase.strays++
	}
	return nil
}

func (c *client) complete(id, failure string) {
	if id == "" || id != c.call {
		return
	}
	c.call, c.reply.completed = "", true
	c.swarm.phase.completed(c.now, failure)
}
