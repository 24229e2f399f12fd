package suite

import (
	"reflect"
	"strings"

	"github.com/tinylib/msgp/msgp"
)

// empty is the map of headers that every MessagePack message has.
var empty = map[string]any{}

// pack encodes an array in MessagePack.
func pack(elements ...any) []byte {
	encoded, err := msgp.AppendIntf(nil, elements)
	if err != nil {
		panic(err) // a mistake in a row
	}
	return encoded
}

// framed puts its length before each message.
func framed(messages ...[]byte) (data []byte) {
	for _, message := range messages {
		length := len(message)
		for ; length >= 0x80; length >>= 7 {
			data = append(data, byte(length)|0x80)
		}
		data = append(append(data, byte(length)), message...)
	}
	return data
}

// unpack decodes what pack encodes; integers become int64.
func unpack(message []byte) (any, error) {
	value, _, err := msgp.ReadIntfBytes(message)
	return plain(value), err
}

// plain makes one integer type of all, so that values compare whatever their encoding.
func plain(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = plain(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = plain(value[key])
		}
	default:
		if v := reflect.ValueOf(value); v.IsValid() && v.CanInt() {
			return v.Int()
		} else if v.IsValid() && v.CanUint() {
			return int64(v.Uint())
		}
	}
	return value
}

// sendPacked sends messages in one piece.
func (c *client) sendPacked(messages ...[]byte) {
	c.x.Helper()
	c.x.must(c.wire.write(framed(messages...), true))
}

// expectPacked fails the row unless the next messages have the same values as these.
func (c *client) expectPacked(messages ...[]byte) {
	c.x.Helper()
	for _, want := range messages {
		message, err := c.next()
		if err != nil {
			c.x.Fatalf("receive: %v", err)
		}
		got, err := unpack(message)
		c.x.must(err)
		wanted, err := unpack(want)
		c.x.must(err)
		if !reflect.DeepEqual(got, wanted) {
			c.x.Fatalf("received %v (% x), want %v", got, message, wanted)
		}
	}
}

// packedBroadcast returns the text of a call of Receive.
func packedBroadcast(message []byte) (text string, is bool) {
	value, err := unpack(message)
	elements, _ := value.([]any)
	if err != nil || len(elements) < 5 || elements[0] != int64(1) || elements[3] != "Receive" {
		return "", false
	}
	arguments, _ := elements[4].([]any)
	if len(arguments) != 1 {
		return "", false
	}
	text, is = arguments[0].(string)
	return text, is
}

// packedCompletion reads the answer to call id, if message is it: [3, headers, id, kind, value?].
func packedCompletion(message []byte, id string) (result any, failure string, found bool) {
	value, err := unpack(message)
	elements, _ := value.([]any)
	if err != nil || len(elements) < 4 || elements[0] != int64(3) || elements[2] != id {
		return nil, "", false
	}
	switch elements[3] {
	case int64(1):
		failure, _ = elements[4].(string)
	case int64(3):
		result = elements[4]
	}
	return result, failure, true
}

// packedHandshake is the handshake of a MessagePack client: JSON text.
const packedHandshake = `{"protocol":"messagepack","version":1}` + "\x1e"

// repeated is a text of that many bytes.
func repeated(bytes int) string { return strings.Repeat("x", bytes) }
