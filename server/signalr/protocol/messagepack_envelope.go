package protocol

import (
	"math"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// elements reads the array that a message is, element by element. Further elements than those known are skipped:
// newer versions of the protocol append some.
type elements struct {
	rest  []byte
	count uint32
}

func parseElements(body []byte) (Message, error) {
	count, rest, err := msgp.ReadArrayHeaderBytes(body)
	if err != nil {
		return nil, invalid("Expected an array.")
	}
	e := elements{rest: rest, count: count}
	kind, err := e.integer("messageType", "Int32")
	if err != nil || kind < math.MinInt32 || kind > math.MaxInt32 {
		return nil, reading("messageType", "Int32")
	}
	message, err := e.message(Type(kind))
	if err != nil || message == nil {
		return nil, err
	}
	if err := e.end(); err != nil {
		return nil, err
	}
	return message, nil
}

func (e *elements) message(kind Type) (Message, error) {
	switch kind {
	case TypeInvocation, TypeStreamInvocation:
		return e.invocation(kind == TypeStreamInvocation)
	case TypeStreamItem:
		return e.streamItem()
	case TypeCompletion:
		return e.completion()
	case TypeCancelInvocation:
		headers, id, err := e.start("CancelInvocation")
		return &CancelInvocation{Headers: headers, ID: id}, err
	case TypePing:
		return Ping{}, nil
	case TypeClose:
		return e.close()
	case TypeAck:
		id, err := e.integer("sequenceId", "Int64")
		return &Ack{SequenceID: id}, err
	case TypeSequence:
		id, err := e.integer("sequenceId", "Int64")
		return &Sequence{SequenceID: id}, err
	default:
		return nil, nil
	}
}

func (e *elements) invocation(stream bool) (Message, error) {
	headers, err := e.headers()
	if err != nil {
		return nil, err
	}
	id, err := e.textOrNil("invocationId")
	if err != nil {
		return nil, err
	}
	if stream && id == "" {
		return nil, empty("invocation ID for StreamInvocation message")
	}
	target, err := e.textOrNil("target")
	if err != nil {
		return nil, err
	}
	if target == "" {
		return nil, empty("target for Invocation message")
	}
	c, err := e.arguments()
	if err != nil {
		return nil, err
	}
	c.Headers, c.ID, c.Target, c.Stream = headers, id, target, stream
	if e.count > 0 { // clients from before client-to-server streaming end here
		c.StreamIDs, err = e.streamIDs()
	}
	return &c.Invocation, err
}

func (e *elements) streamItem() (Message, error) {
	headers, id, err := e.start("StreamItem")
	if err != nil {
		return nil, err
	}
	item, err := e.value("item")
	return &StreamItem{Headers: headers, ID: id, Item: item}, err
}

func (e *elements) completion() (Message, error) {
	headers, id, err := e.start("Completion")
	if err != nil {
		return nil, err
	}
	m := &Completion{Headers: headers, ID: id}
	kind, err := e.integer("resultKind", "Int32")
	if err != nil {
		return nil, err
	}
	switch kind {
	case resultError:
		m.Error, err = e.textOrNil("error")
	case resultVoid:
	case resultValue:
		m.HasResult = true
		m.Result, err = e.value("result")
	default:
		err = invalid("Invalid invocation result kind.")
	}
	return m, err
}

func (e *elements) close() (Message, error) {
	m := &Close{}
	var err error
	if m.Error, err = e.textOrNil("error"); err != nil {
		return nil, err
	}
	if e.count == 0 { // peers from before ASP.NET Core 3.0 end here
		return m, nil
	}
	e.count--
	if m.AllowReconnect, e.rest, err = msgp.ReadBoolBytes(e.rest); err != nil {
		return nil, reading("allowReconnect", "Boolean")
	}
	return m, nil
}

// start reads the headers and the id that most messages start with.
func (e *elements) start(message string) (headers map[string]string, id string, err error) {
	if headers, err = e.headers(); err != nil {
		return nil, "", err
	}
	if id, err = e.textOrNil("invocationId"); err != nil {
		return nil, "", err
	}
	if id == "" {
		return nil, "", empty("invocation ID for " + message + " message")
	}
	return headers, id, nil
}

func (e *elements) headers() (map[string]string, error) {
	if e.count == 0 {
		return nil, reading("headers", "Map")
	}
	e.count--
	size, rest, err := msgp.ReadMapHeaderBytes(e.rest)
	if err != nil || int64(size) > int64(len(rest)) {
		return nil, reading("headers", "Map")
	}
	if e.rest = rest; size == 0 {
		return nil, nil
	}
	headers := make(map[string]string)
	for range size {
		var name, value []byte
		if name, e.rest, err = msgp.ReadStringZC(e.rest); err == nil {
			value, e.rest, err = msgp.ReadStringZC(e.rest)
		}
		if err != nil {
			return nil, reading("headers", "Map of String")
		}
		headers[toText(name)] = toText(value)
	}
	return headers, nil
}

func (e *elements) arguments() (*call, error) {
	size, err := e.arrayHeader("arguments")
	if err != nil {
		return nil, err
	}
	c := &call{}
	c.Arguments = c.room[:0]
	for range size {
		value, rest, err := cutValue(e.rest, 2)
		if err != nil {
			return nil, invalid("Reading the arguments failed.")
		}
		c.Arguments = append(c.Arguments, value)
		e.rest = rest
	}
	return c, nil
}

func (e *elements) streamIDs() ([]string, error) {
	size, err := e.arrayHeader("streamIds")
	if err != nil {
		return nil, err
	}
	var ids []string
	for range size {
		var id []byte
		if id, e.rest, err = msgp.ReadStringZC(e.rest); err != nil {
			return nil, reading("streamIds", "Array of String")
		}
		ids = append(ids, toText(id))
	}
	return ids, nil
}

// arrayHeader reads the header of an element that is an array. Every element of it takes a byte or more: a size
// beyond what is there is refused before anything is allocated for it.
func (e *elements) arrayHeader(property string) (uint32, error) {
	if e.count == 0 {
		return 0, reading(property, "Array")
	}
	e.count--
	size, rest, err := msgp.ReadArrayHeaderBytes(e.rest)
	if err != nil || int64(size) > int64(len(rest)) {
		return 0, reading(property, "Array")
	}
	e.rest = rest
	return size, nil
}

func (e *elements) textOrNil(property string) (string, error) {
	if e.count == 0 {
		return "", reading(property, "String")
	}
	e.count--
	if msgp.IsNil(e.rest) {
		e.rest = e.rest[1:]
		return "", nil
	}
	text, rest, err := msgp.ReadStringZC(e.rest)
	if err != nil {
		return "", reading(property, "String")
	}
	e.rest = rest
	return toText(text), nil
}

func (e *elements) integer(property, kind string) (int64, error) {
	if e.count == 0 {
		return 0, reading(property, kind)
	}
	e.count--
	value, rest, err := msgp.ReadInt64Bytes(e.rest)
	if err != nil {
		return 0, reading(property, kind)
	}
	e.rest = rest
	return value, nil
}

func (e *elements) value(property string) (Raw, error) {
	if e.count == 0 {
		return nil, missing(property)
	}
	e.count--
	value, rest, err := cutValue(e.rest, 1)
	if err != nil {
		return nil, invalid("Reading '%s' failed.", property)
	}
	e.rest = rest
	return value, nil
}

// end skips the elements that this version does not know.
func (e *elements) end() error {
	var err error
	for range e.count {
		if e.rest, err = skipMessagePack(e.rest, 1); err != nil {
			return invalid("Reading the end of the message failed.")
		}
	}
	if len(e.rest) > 0 {
		return invalid("%d bytes follow the message in its frame.", len(e.rest))
	}
	return nil
}

// cutValue returns the first value of input. depth is the number of arrays and maps around it.
func cutValue(input []byte, depth int) (value Raw, rest []byte, err error) {
	if rest, err = skipMessagePack(input, depth); err != nil {
		return nil, nil, err
	}
	length := len(input) - len(rest)
	return Raw(input[:length:length]), rest, nil
}

// skipMessagePack is msgp.Skip with a bound on the depth that fits the stack of a small goroutine.
func skipMessagePack(input []byte, depth int) (rest []byte, err error) {
	var size uint32
	var count uint64
	switch msgp.NextType(input) {
	case msgp.ArrayType:
		size, rest, err = msgp.ReadArrayHeaderBytes(input)
		count = uint64(size)
	case msgp.MapType:
		size, rest, err = msgp.ReadMapHeaderBytes(input)
		count = 2 * uint64(size)
	default:
		return msgp.Skip(input)
	}
	switch {
	case err != nil:
		return nil, err
	case depth >= maximumDepth:
		return nil, errTooDeep
	case count > uint64(len(rest)):
		return nil, msgp.ErrShortBytes
	}
	for range count {
		if rest, err = skipMessagePack(rest, depth+1); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// toText copies bytes into a string. What is not UTF-8 becomes U+FFFD, as in the reference.
func toText(content []byte) string {
	if utf8.Valid(content) {
		return string(content)
	}
	return string([]rune(string(content)))
}

func reading(property, kind string) error {
	return invalid("Reading '%s' as %s failed.", property, kind)
}

func empty(what string) error {
	return invalid("Null or empty %s.", what)
}
