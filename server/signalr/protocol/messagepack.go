package protocol

import (
	"errors"
	"math"

	"github.com/tinylib/msgp/msgp"
)

// MessagePack is the hub protocol "messagepack" (HubProtocol.md, "MessagePack (MsgPack) encoding"). Its conventions
// are those of ASP.NET Core's default resolver:
//   - A Go struct is a map from its fields' names, exactly as they are in Go, or as the tag msgpack:"name" says; the
//     tag's options omitempty and omitzero and the name - work as in encoding/json. Other names are skipped on reading.
//   - []byte is bin, time.Time is the timestamp extension, a type with MarshalText (and without MarshalMsg of
//     tinylib/msgp) is str.
//   - A .NET enum is its name: give the Go type that stands for it MarshalText and UnmarshalText.
//   - An integer of any width is read into any Go integer type that can hold it; a float reads integers too.
//   - Objects and arrays nest at most 64 deep, message included.
type MessagePack struct{}

var _ Protocol = MessagePack{}

// maximumPrefix is the length of the longest length prefix.
const maximumPrefix = 5

// Name implements Protocol.
func (MessagePack) Name() string { return "messagepack" }

// Binary implements Protocol.
func (MessagePack) Binary() bool { return true }

// Decode implements Protocol. A message that is not as HubProtocol.md says gives an *InvalidError.
func (MessagePack) Decode(input []byte, limit int) (Message, int, error) {
	body, length, err := cutFrame(input, limit)
	if err != nil || length == 0 {
		return nil, 0, err
	}
	message, err := parseElements(body)
	if err != nil {
		return nil, 0, err
	}
	return message, length, nil
}

// cutFrame finds the first frame of input: its body, and its length with the prefix, 0 if it is not complete.
func cutFrame(input []byte, limit int) (body []byte, length int, err error) {
	size, prefix, err := readPrefix(input)
	if err != nil {
		return nil, 0, err
	}
	total := int64(size) + int64(prefix)
	switch {
	case limit > 0 && (total > int64(limit) || prefix == 0 && len(input) >= limit):
		return nil, 0, tooLarge(limit)
	case prefix == 0 || total > int64(len(input)):
		return nil, 0, nil
	}
	length = int(total)
	return input[prefix:length:length], length, nil
}

// readPrefix reads the length prefix: seven bits a byte, least first. It returns a prefix of 0 bytes while that is
// incomplete.
func readPrefix(input []byte) (size uint32, prefix int, err error) {
	var value uint64
	for i := range min(len(input), maximumPrefix) {
		value |= uint64(input[i]&0x7F) << (7 * i)
		if value > math.MaxInt32 {
			break
		}
		if input[i] < 0x80 {
			return uint32(value), i + 1, nil
		}
	}
	if value > math.MaxInt32 || len(input) >= maximumPrefix {
		return 0, 0, invalid("Messages over 2GB in size are not supported.")
	}
	return 0, 0, nil
}

// Append implements Protocol. On an error it returns the buffer as it was. A Completion with both an error and a
// result is written with the error only, as in JSON.
func (MessagePack) Append(buffer []byte, message Message) ([]byte, error) {
	if err := checkMessage(message); err != nil {
		return buffer, err
	}
	start := len(buffer)
	extended, err := appendElements(append(buffer, 0), message)
	if err != nil {
		return buffer, err
	}
	size := len(extended) - start - 1
	if size > math.MaxInt32 {
		return buffer, errors.New("encode message: it exceeds 2 GiB")
	}
	return insertPrefix(extended, start, size), nil
}

// insertPrefix writes the length of a body of that size before it. One byte has been left free: enough for most
// messages, which then need no moving.
func insertPrefix(buffer []byte, start, size int) []byte {
	var prefix [maximumPrefix]byte
	length := 0
	for rest := size; ; rest >>= 7 {
		prefix[length] = byte(rest & 0x7F)
		length++
		if rest < 0x80 {
			break
		}
		prefix[length-1] |= 0x80
	}
	if length > 1 {
		buffer = append(buffer, prefix[1:length]...)
		copy(buffer[start+length:], buffer[start+1:start+1+size])
	}
	copy(buffer[start:], prefix[:length])
	return buffer
}

// The result kinds of a completion.
const (
	resultError = 1
	resultVoid  = 2
	resultValue = 3
)

func appendElements(buffer []byte, message Message) ([]byte, error) {
	switch m := message.(type) {
	case *Invocation:
		return appendInvocationElements(buffer, m)
	case *StreamItem:
		buffer = appendStart(buffer, 4, TypeStreamItem, m.Headers)
		buffer = appendText(buffer, m.ID)
		return appendMessagePackValue(buffer, m.Item, 1)
	case *Completion:
		return appendCompletionElements(buffer, m)
	case *CancelInvocation:
		buffer = appendStart(buffer, 3, TypeCancelInvocation, m.Headers)
		return appendText(buffer, m.ID), nil
	case Ping:
		return msgp.AppendInt(msgp.AppendArrayHeader(buffer, 1), int(TypePing)), nil
	case *Close:
		buffer = msgp.AppendInt(msgp.AppendArrayHeader(buffer, 3), int(TypeClose))
		return msgp.AppendBool(appendTextOrNil(buffer, m.Error), m.AllowReconnect), nil
	case *Ack:
		return appendSequenceElements(buffer, TypeAck, m.SequenceID), nil
	case *Sequence:
		return appendSequenceElements(buffer, TypeSequence, m.SequenceID), nil
	default:
		return nil, unknownMessage(message)
	}
}

func appendInvocationElements(buffer []byte, m *Invocation) ([]byte, error) {
	buffer = appendStart(buffer, 6, m.Type(), m.Headers)
	buffer = appendText(appendTextOrNil(buffer, m.ID), m.Target)
	buffer = msgp.AppendArrayHeader(buffer, uint32(len(m.Arguments)))
	for i, argument := range m.Arguments {
		var err error
		if buffer, err = appendMessagePackValue(buffer, argument, 2); err != nil {
			return nil, argumentError(i, err)
		}
	}
	buffer = msgp.AppendArrayHeader(buffer, uint32(len(m.StreamIDs)))
	for _, id := range m.StreamIDs {
		buffer = appendText(buffer, id)
	}
	return buffer, nil
}

func appendCompletionElements(buffer []byte, m *Completion) ([]byte, error) {
	kind, length := resultVoid, uint32(4)
	switch {
	case m.Error != "":
		kind, length = resultError, 5
	case m.HasResult:
		kind, length = resultValue, 5
	}
	buffer = appendStart(buffer, length, TypeCompletion, m.Headers)
	buffer = msgp.AppendInt(appendText(buffer, m.ID), kind)
	switch kind {
	case resultError:
		return appendText(buffer, m.Error), nil
	case resultValue:
		return appendMessagePackValue(buffer, m.Result, 1)
	default:
		return buffer, nil
	}
}

func appendSequenceElements(buffer []byte, kind Type, id int64) []byte {
	buffer = msgp.AppendInt(msgp.AppendArrayHeader(buffer, 2), int(kind))
	return appendInteger(buffer, id)
}

// appendStart writes what messages with headers start with.
func appendStart(buffer []byte, length uint32, kind Type, headers map[string]string) []byte {
	buffer = msgp.AppendInt(msgp.AppendArrayHeader(buffer, length), int(kind))
	buffer = msgp.AppendMapHeader(buffer, uint32(len(headers)))
	for name, value := range headers {
		buffer = appendText(appendText(buffer, name), value)
	}
	return buffer
}

func appendTextOrNil(buffer []byte, text string) []byte {
	if text == "" {
		return msgp.AppendNil(buffer)
	}
	return appendText(buffer, text)
}
