package signalr

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// streams are the open streams of a connection: those that the client sends, by stream id, and those that it receives, by
// the id of the call.
type streams struct {
	// mu guards what follows. Nothing is called while it is held.
	mu      sync.Mutex
	uploads map[string]*upload
	cancels map[string]context.CancelFunc
	// open counts the streams of the calls that run, also those that the client has ended.
	open   int
	closed bool
}

// start enters the streams of a call. The error's text is for the client.
func (s *streams) start(c *connection, call *invocation, streamIDs []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrConnectionLost
	}
	if most := c.hub.options.MaximumStreamsPerClient; s.open+call.streams() > most {
		c.hub.refused(transport.LimitStreams)
		return refusal(textTooManyStreams, most)
	}
	if call.method.stream {
		if s.cancels[call.id] != nil {
			return refusal(textInvocationIDInUse, call.id)
		}
		if s.cancels == nil {
			s.cancels = make(map[string]context.CancelFunc)
		}
	}
	for i, id := range streamIDs {
		if s.uploads[id] != nil {
			s.removeUploads(call.uploads)
			return refusal(textInvocationIDInUse, id)
		}
		if s.uploads == nil {
			s.uploads = make(map[string]*upload)
		}
		stream := newUpload(id, call.method.uploads[i], c.hub.options.StreamBufferCapacity)
		s.uploads[id] = stream
		call.uploads = append(call.uploads, stream)
	}
	if call.method.stream {
		s.cancels[call.id] = call.cancel
	}
	s.open += call.streams()
	return nil
}

// finish removes the streams of a call that has ended. What its client still sends for them is ignored.
func (s *streams) finish(call *invocation) {
	call.cancel()
	s.mu.Lock()
	s.open -= call.streams()
	s.removeUploads(call.uploads)
	if call.method.stream {
		delete(s.cancels, call.id)
	}
	s.mu.Unlock()
	for _, stream := range call.uploads {
		stream.abandon()
	}
}

// removeUploads is called with mu held.
func (s *streams) removeUploads(uploads []*upload) {
	for _, stream := range uploads {
		s.removeUpload(stream)
	}
}

// removeUpload is called with mu held. The client may have ended the stream and given its id to another one, which stays.
func (s *streams) removeUpload(stream *upload) {
	if s.uploads[stream.id] == stream {
		delete(s.uploads, stream.id)
	}
}

// item hands an item to the method that reads its stream, and waits while that has enough; rest is what came behind it.
func (s *streams) item(c *connection, message *protocol.StreamItem, rest []byte) {
	s.mu.Lock()
	stream := s.uploads[message.ID]
	s.mu.Unlock()
	if stream == nil {
		c.hub.log.Debug("an item came for a stream that is not open", "connection", c.id())
		return
	}
	value := reflect.New(stream.kind)
	if err := c.decode(message.Item, value.Interface()); err != nil {
		s.remove(stream)
		stream.end(&HubError{Message: "Failed to bind Stream message."}) // which a method that returns it tells its client
		return
	}
	stream.add(c, value.Elem(), rest)
}

// complete ends the stream that a completion names. It reports false if there is none.
func (s *streams) complete(message *protocol.Completion) bool {
	s.mu.Lock()
	stream := s.uploads[message.ID]
	delete(s.uploads, message.ID)
	s.mu.Unlock()
	if stream == nil {
		return false
	}
	var err error
	if message.Error != "" {
		err = &HubError{Message: message.Error}
	}
	stream.end(err)
	return true
}

func (s *streams) remove(stream *upload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeUpload(stream)
}

// cancel ends the stream that the client receives from the call id.
func (s *streams) cancel(id string) {
	s.mu.Lock()
	cancel := s.cancels[id]
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// closeAll ends the client's streams when its connection has ended; those that it receives end with its context.
func (s *streams) closeAll() {
	s.mu.Lock()
	uploads := s.uploads
	s.uploads, s.closed = nil, true
	s.mu.Unlock()
	for _, stream := range uploads {
		stream.end(errConnectionClosed)
	}
}

// runStreaming runs a call that sends or receives a stream.
func (c *connection) runStreaming(call *invocation) {
	result, errorText := c.stream(call)
	// Before the client is told: it may use the ids again, and count on the room, as soon as it has the answer.
	c.streams.finish(call)
	c.answerCall(call, result, errorText, !call.method.stream)
}

// stream runs such a call to its end and returns what to answer.
func (c *connection) stream(call *invocation) (result any, errorText string) {
	result, err := c.execute(call)
	switch {
	case err != nil:
		return nil, c.failure(call.method, err)
	case call.method.stream:
		return nil, c.sendStream(call, reflect.ValueOf(result))
	}
	return result, ""
}

// sendStream sends the items of a stream. It returns the error text for the completion.
func (c *connection) sendStream(call *invocation, stream reflect.Value) string {
	kind := stream.Kind() // a filter may return anything
	if kind != reflect.Chan && kind != reflect.Func || stream.IsNil() {
		return fmt.Sprintf(textStreamNil, call.method.name)
	}
	_, err := c.hub.guarded(call.method.name, func() (any, error) {
		return nil, eachItem(call.context, stream, func(item any) error {
			return c.send(call.context, &protocol.StreamItem{ID: call.id, Item: item})
		})
	})
	if err == nil || call.context.Err() != nil {
		return "" // a stream that the client has cancelled ends without an error
	}
	return c.hub.visibleText(textStreamFailed, err)
}

// eachItem calls send for every item of an iterator or a channel, until one fails or ctx ends.
func eachItem(ctx context.Context, stream reflect.Value, send func(item any) error) error {
	if stream.Kind() == reflect.Chan {
		return eachReceived(ctx, stream, send)
	}
	if stream.Type().CanSeq2() {
		for item, failure := range stream.Seq2() {
			if err, ok := failure.Interface().(error); ok && err != nil {
				return err
			}
			if err := sendUnlessEnded(ctx, item, send); err != nil {
				return err
			}
		}
		return nil
	}
	for item := range stream.Seq() {
		if err := sendUnlessEnded(ctx, item, send); err != nil {
			return err
		}
	}
	return nil
}

func eachReceived(ctx context.Context, channel reflect.Value, send func(item any) error) error {
	cases := []reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())},
		{Dir: reflect.SelectRecv, Chan: channel},
	}
	for {
		chosen, item, open := reflect.Select(cases)
		if chosen == 0 {
			return context.Cause(ctx)
		}
		if !open {
			return nil
		}
		if err := send(item.Interface()); err != nil {
			return err
		}
	}
}

func sendUnlessEnded(ctx context.Context, item reflect.Value, send func(item any) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return send(item.Interface())
}
