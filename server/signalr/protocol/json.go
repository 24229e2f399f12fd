package protocol

import (
	"bytes"
	"strconv"
)

// recordSeparator ends every JSON message and every handshake message (HubProtocol.md, "JSON Encoding"). No valid
// JSON contains it unescaped.
const recordSeparator = 0x1E

// JSON is the hub protocol "json". Its conventions are those of ASP.NET Core's default serializer: fields of Go
// structs without a json tag are written in camelCase and read in any case, null is written, []byte is base64, enums
// are numbers, numbers in quotes are not numbers, objects and arrays nest at most 64 deep, message included.
type JSON struct{}

var _ Protocol = JSON{}

// Name implements Protocol.
func (JSON) Name() string { return "json" }

// Binary implements Protocol.
func (JSON) Binary() bool { return false }

// Decode implements Protocol. A message that is not as HubProtocol.md says gives an *InvalidError.
func (JSON) Decode(input []byte, limit int) (Message, int, error) {
	text, length, err := cutRecord(input, limit)
	if err != nil || length == 0 {
		return nil, 0, err
	}
	message, err := parseEnvelope(text)
	if err != nil {
		return nil, 0, err
	}
	return message, length, nil
}

// cutRecord finds the first record of input: its text without the separator, its length with it, 0 if it has no end
// yet.
func cutRecord(input []byte, limit int) (text []byte, length int, err error) {
	window := input
	if limit > 0 && len(window) > limit {
		window = window[:limit]
	}
	end := bytes.IndexByte(window, recordSeparator)
	switch {
	case end >= 0:
		return input[:end:end], end + 1, nil
	case limit > 0 && len(input) >= limit:
		return nil, 0, tooLarge(limit)
	default:
		return nil, 0, nil
	}
}

// Append implements Protocol. On an error it returns the buffer as it was. A Completion with both an error and a
// result is written with the error only: clients refuse both.
func (JSON) Append(buffer []byte, message Message) ([]byte, error) {
	if err := checkMessage(message); err != nil {
		return buffer, err
	}
	extended, err := appendEnvelope(buffer, message)
	if err != nil {
		return buffer, err
	}
	return append(extended, recordSeparator), nil
}

func appendEnvelope(buffer []byte, message Message) ([]byte, error) {
	buffer = append(buffer, `{"type":`...)
	buffer = strconv.AppendInt(buffer, int64(message.Type()), 10)
	var err error
	switch m := message.(type) {
	case *Invocation:
		buffer, err = appendInvocation(buffer, m)
	case *StreamItem:
		buffer = appendHeaders(buffer, m.Headers)
		buffer = appendProperty(buffer, "invocationId", m.ID)
		buffer = append(buffer, `,"item":`...)
		buffer, err = appendJSONValue(buffer, m.Item, 1)
	case *Completion:
		buffer, err = appendCompletion(buffer, m)
	case *CancelInvocation:
		buffer = appendHeaders(buffer, m.Headers)
		buffer = appendProperty(buffer, "invocationId", m.ID)
	case Ping:
	case *Close:
		buffer = appendClose(buffer, m)
	case *Ack:
		buffer = appendSequenceID(buffer, m.SequenceID)
	case *Sequence:
		buffer = appendSequenceID(buffer, m.SequenceID)
	default:
		return nil, unknownMessage(message)
	}
	return append(buffer, '}'), err
}

func appendInvocation(buffer []byte, m *Invocation) ([]byte, error) {
	buffer = appendHeaders(buffer, m.Headers)
	if m.ID != "" {
		buffer = appendProperty(buffer, "invocationId", m.ID)
	}
	buffer = appendProperty(buffer, "target", m.Target)
	buffer = append(buffer, `,"arguments":[`...)
	for i, argument := range m.Arguments {
		if i > 0 {
			buffer = append(buffer, ',')
		}
		var err error
		if buffer, err = appendJSONValue(buffer, argument, 2); err != nil {
			return nil, argumentError(i, err)
		}
	}
	buffer = append(buffer, ']')
	if len(m.StreamIDs) > 0 {
		buffer = append(buffer, `,"streamIds":`...)
		buffer = appendJSONStrings(buffer, m.StreamIDs)
	}
	return buffer, nil
}

func appendCompletion(buffer []byte, m *Completion) ([]byte, error) {
	buffer = appendHeaders(buffer, m.Headers)
	buffer = appendProperty(buffer, "invocationId", m.ID)
	switch {
	case m.Error != "":
		return appendProperty(buffer, "error", m.Error), nil
	case m.HasResult:
		return appendJSONValue(append(buffer, `,"result":`...), m.Result, 1)
	default:
		return buffer, nil
	}
}

func appendClose(buffer []byte, m *Close) []byte {
	if m.Error != "" {
		buffer = appendProperty(buffer, "error", m.Error)
	}
	if m.AllowReconnect {
		buffer = append(buffer, `,"allowReconnect":true`...)
	}
	return buffer
}

func appendSequenceID(buffer []byte, id int64) []byte {
	return strconv.AppendInt(append(buffer, `,"sequenceId":`...), id, 10)
}

// appendHeaders writes in no particular order: nothing depends on one, and sorting would cost each message.
func appendHeaders(buffer []byte, headers map[string]string) []byte {
	if len(headers) == 0 {
		return buffer
	}
	buffer = append(buffer, `,"headers":{`...)
	first := true
	for name, value := range headers {
		if !first {
			buffer = append(buffer, ',')
		}
		first = false
		buffer = appendJSONString(buffer, name)
		buffer = append(buffer, ':')
		buffer = appendJSONString(buffer, value)
	}
	return append(buffer, '}')
}

func appendProperty(buffer []byte, name, value string) []byte {
	buffer = append(buffer, ',', '"')
	buffer = append(buffer, name...)
	buffer = append(buffer, '"', ':')
	return appendJSONString(buffer, value)
}

func appendJSONStrings(buffer []byte, values []string) []byte {
	buffer = append(buffer, '[')
	for i, value := range values {
		if i > 0 {
			buffer = append(buffer, ',')
		}
		buffer = appendJSONString(buffer, value)
	}
	return append(buffer, ']')
}
