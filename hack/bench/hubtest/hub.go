// Package hubtest is a small hub server for the tests of the benchmark: it broadcasts like the chat hub, and
// misbehaves on request. Its WebSockets are a library's, so that the generator's own framing meets another's.
package hubtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

const separator = 0x1E

// Faults are what a Hub does other than a good one. The zero value is a good hub.
type Faults struct {
	// Copies says how often a connection gets a broadcast; both count from 0. Nil: once.
	Copies func(connection, broadcast int) int
	// Before is run before each broadcast, to delay or to observe it.
	Before func(broadcast int)
	// Close ends the connection instead of sending it the broadcast.
	Close func(connection, broadcast int) bool
	// Extra is sent to everyone before each broadcast.
	Extra string
	// Refusal is the error of the hub handshake, CallError that of every call.
	Refusal, CallError string
	// Silent leaves calls without a completion.
	Silent bool
	// Hold keeps the hub from reading after the handshake until it is closed. Nil: not at all.
	Hold <-chan struct{}
	// Ponged makes the hub ping each new connection, and gets what comes of it.
	Ponged func(error)
	// Heard gets every message of type 6.
	Heard func(connection int)
}

// Hub implements http.Handler: every request is a WebSocket of the hub.
type Hub struct {
	faults Faults

	mutex       sync.Mutex
	connections []*websocket.Conn // nil once gone; guarded by mutex
	broadcasts  int               // guarded by mutex
}

// New makes a hub.
func New(faults Faults) *Hub { return &Hub{faults: faults} }

// ServeHTTP implements http.Handler.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(-1)
	ctx := context.WithoutCancel(r.Context())
	if _, _, err := conn.Read(ctx); err != nil {
		return
	}
	if h.faults.Refusal != "" {
		write(ctx, conn, fmt.Sprintf(`{"error":%q}`, h.faults.Refusal))
		return
	}
	index := h.add(conn)
	defer h.remove(index)
	write(ctx, conn, `{}`)
	if h.faults.Ponged != nil {
		var pinging sync.WaitGroup
		defer pinging.Wait()
		pinging.Go(func() { h.faults.Ponged(conn.Ping(ctx)) })
	}
	if h.faults.Hold != nil {
		<-h.faults.Hold
	}
	h.serve(ctx, conn, index)
}

func (h *Hub) add(conn *websocket.Conn) int {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.connections = append(h.connections, conn)
	return len(h.connections) - 1
}

func (h *Hub) remove(index int) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.connections[index] = nil
}

func (h *Hub) serve(ctx context.Context, conn *websocket.Conn, index int) {
	for {
		_, payload, err := conn.Read(ctx)
		if err != nil {
			return
		}
		for record := range bytes.SplitSeq(payload, []byte{separator}) {
			if len(record) > 0 {
				h.handle(ctx, conn, index, record)
			}
		}
	}
}

func (h *Hub) handle(ctx context.Context, conn *websocket.Conn, index int, record []byte) {
	var message struct {
		Type         int      `json:"type"`
		InvocationID string   `json:"invocationId"`
		Arguments    []string `json:"arguments"`
	}
	if err := json.Unmarshal(record, &message); err != nil {
		_ = conn.Close(websocket.StatusProtocolError, "no JSON")
		return
	}
	switch {
	case message.Type == 6 && h.faults.Heard != nil:
		h.faults.Heard(index)
	case message.Type == 1:
		h.broadcast(ctx, message.Arguments)
		if message.InvocationID != "" && !h.faults.Silent {
			write(ctx, conn, completion(message.InvocationID, h.faults.CallError))
		}
	}
}

func completion(id, failure string) string {
	if failure == "" {
		return fmt.Sprintf(`{"type":3,"invocationId":%q,"result":null}`, id)
	}
	return fmt.Sprintf(`{"type":3,"invocationId":%q,"error":%q}`, id, failure)
}

func (h *Hub) broadcast(ctx context.Context, arguments []string) {
	h.mutex.Lock()
	number := h.broadcasts
	h.broadcasts++
	connections := append([]*websocket.Conn(nil), h.connections...)
	h.mutex.Unlock()
	if h.faults.Before != nil {
		h.faults.Before(number)
	}
	quoted, err := json.Marshal(append(arguments, "Server 1"))
	if err != nil {
		return
	}
	message := fmt.Sprintf(`{"type":1,"target":"ReceiveMessage","arguments":%s}`, quoted)
	for index, conn := range connections {
		if conn != nil {
			h.deliver(ctx, conn, index, number, message)
		}
	}
}

func (h *Hub) deliver(ctx context.Context, conn *websocket.Conn, index, number int, message string) {
	if h.faults.Close != nil && h.faults.Close(index, number) {
		_ = conn.CloseNow()
		return
	}
	records := message
	if h.faults.Extra != "" {
		records = h.faults.Extra + string(rune(separator)) + message
	}
	copies := 1
	if h.faults.Copies != nil {
		copies = h.faults.Copies(index, number)
	}
	for range copies {
		write(ctx, conn, records)
	}
}

// write sends one WebSocket message; a connection that is gone shows when it is read.
func write(ctx context.Context, conn *websocket.Conn, records string) {
	_ = conn.Write(ctx, websocket.MessageText, append([]byte(records), separator))
}
