package protocol

// Type is the number that identifies a kind of hub message on the wire (Microsoft's HubProtocol.md).
type Type int

// The message types of hub protocol versions 1 and 2. Version 2 adds Ack and Sequence.
const (
	TypeInvocation       Type = 1
	TypeStreamItem       Type = 2
	TypeCompletion       Type = 3
	TypeStreamInvocation Type = 4
	TypeCancelInvocation Type = 5
	TypePing             Type = 6
	TypeClose            Type = 7
	TypeAck              Type = 8
	TypeSequence         Type = 9
)

// Message is one hub message: *Invocation, *StreamItem, *Completion, *CancelInvocation, Ping, *Close, *Ack or *Sequence.
type Message interface {
	// Type tells which message it is.
	Type() Type
}

// Raw is a value (an argument, an item or a result) still in the encoding in which it arrived. A decoded message
// holds Raw wherever the application's types are needed to go on; its bytes alias the decoder's input and are
// valid only as long as that is. Encoding writes Raw as it is, so it must never go from one protocol to another: an application that
// passes on what it does not look at uses json.RawMessage, which every protocol translates.
type Raw []byte

// Invocation calls a method of the other side: type 1, or type 4 when Stream is set, which asks for a stream of items.
type Invocation struct {
	// Headers are read and passed on, never acted upon; nil when there are none.
	Headers map[string]string
	// ID pairs the call with its Completion. Empty: the caller wants no answer.
	ID string
	// Target is the method's name.
	Target string
	// Arguments are Raw in a decoded message, any encodable Go value in one to encode. Never nil once decoded.
	Arguments []any
	// StreamIDs name the streams that the caller will send, in the order of the method's stream parameters.
	StreamIDs []string
	// Stream tells a StreamInvocation from an Invocation.
	Stream bool
}

// StreamItem carries one item of the stream with the invocation id or stream id ID.
type StreamItem struct {
	Headers map[string]string
	ID      string
	Item    any
}

// Completion ends an invocation or a stream: with an error, with a result, or with neither.
type Completion struct {
	Headers map[string]string
	ID      string
	// Error is what went wrong, empty if nothing did.
	Error string
	// Result counts only when HasResult is set; a nil result is written as null, which clients tell from none.
	Result    any
	HasResult bool
}

// CancelInvocation asks to end the stream of the invocation ID.
type CancelInvocation struct {
	Headers map[string]string
	ID      string
}

// Ping keeps a connection alive; it needs no answer.
type Ping struct{}

// Close ends the connection.
type Close struct {
	// Error is the reason shown to the other side, empty for a normal end.
	Error string
	// AllowReconnect invites the client's automatic reconnect.
	AllowReconnect bool
}

// Ack says that all messages up to SequenceID have arrived (stateful reconnect).
type Ack struct{ SequenceID int64 }

// Sequence says that the next counted message has number SequenceID (stateful reconnect).
type Sequence struct{ SequenceID int64 }

// Type implements Message.
func (m *Invocation) Type() Type {
	if m.Stream {
		return TypeStreamInvocation
	}
	return TypeInvocation
}

// Type implements Message.
func (*StreamItem) Type() Type { return TypeStreamItem }

// Type implements Message.
func (*Completion) Type() Type { return TypeCompletion }

// Type implements Message.
func (*CancelInvocation) Type() Type { return TypeCancelInvocation }

// Type implements Message.
func (Ping) Type() Type { return TypePing }

// Type implements Message.
func (*Close) Type() Type { return TypeClose }

// Type implements Message.
func (*Ack) Type() Type { return TypeAck }

// Type implements Message.
func (*Sequence) Type() Type { return TypeSequence }
