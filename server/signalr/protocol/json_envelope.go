package protocol

// inlineArguments is how many arguments of an invocation fit into the allocation of the invocation itself.
const inlineArguments = 4

// call is an Invocation with room for its arguments: one allocation where most calls would need two.
type call struct {
	Invocation
	room [inlineArguments]any
}

// envelope holds what the properties of one JSON message said, until all are read: their order is free and "type" may
// come last. Of a property that appears twice the last counts.
type envelope struct {
	kind           int64
	id             jsonString
	target         jsonString
	err            jsonString
	headers        map[string]string
	streamIDs      []string
	call           *call
	item           Raw
	result         Raw
	allowReconnect bool
	sequenceID     int64

	hasKind, hasID, hasTarget, hasError, hasSequenceID bool
}

func parseEnvelope(text []byte) (Message, error) {
	s := scanner{text: text}
	s.skipSpace()
	if s.peek() != '{' {
		return nil, notAnObject(&s)
	}
	var e envelope
	for first := true; ; first = false {
		name, more, err := s.property(first)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if err := e.read(&s, name); err != nil {
			return nil, err
		}
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	return e.message()
}

// notAnObject tells JSON of another kind from what is no JSON at all.
func notAnObject(s *scanner) error {
	if err := s.skipValue(0); err != nil {
		return err
	}
	return invalid("Expected a JSON object.")
}

// read takes the property at the scanner. A known property of the wrong type is an error in any message.
func (e *envelope) read(s *scanner, name jsonString) (err error) {
	switch key := name.literal; {
	case name.escaped:
		return e.readEscaped(s, name)
	case string(key) == "type":
		e.hasKind = true
		e.kind, err = readNumber(s, "type", 32)
	case string(key) == "invocationId":
		e.hasID = true
		e.id, err = readText(s, "invocationId")
	case string(key) == "target":
		e.hasTarget = true
		e.target, err = readText(s, "target")
	case string(key) == "arguments":
		e.call, err = readArguments(s)
	case string(key) == "streamIds":
		e.streamIDs, err = readStreamIDs(s)
	case string(key) == "headers":
		e.headers, err = readHeaders(s)
	case string(key) == "item":
		e.item, err = s.readValue(1)
	case string(key) == "result":
		e.result, err = s.readValue(1)
	case string(key) == "error":
		e.hasError = true
		e.err, err = readText(s, "error")
	case string(key) == "allowReconnect":
		e.allowReconnect, err = readBool(s, "allowReconnect")
	case string(key) == "sequenceId":
		e.hasSequenceID = true
		e.sequenceID, err = readNumber(s, "sequenceId", 64)
	default:
		err = s.skipValue(1)
	}
	return err
}

func (e *envelope) readEscaped(s *scanner, name jsonString) error {
	text, ok := name.unescape()
	if !ok {
		return errPropertyName
	}
	return e.read(s, jsonString{literal: []byte(text)})
}

func (e *envelope) message() (Message, error) {
	if !e.hasKind {
		return nil, missing("type")
	}
	switch Type(e.kind) {
	case TypeInvocation, TypeStreamInvocation:
		return e.invocation()
	case TypeStreamItem:
		return e.streamItem()
	case TypeCompletion:
		return e.completion()
	case TypeCancelInvocation:
		id, err := e.requiredID()
		if err == nil && id == "" {
			err = missing("invocationId")
		}
		if err != nil {
			return nil, err
		}
		return &CancelInvocation{Headers: e.headers, ID: id}, nil
	case TypePing:
		return Ping{}, nil
	case TypeClose:
		text, err := textOf(e.err, "error")
		if err != nil {
			return nil, err
		}
		return &Close{Error: text, AllowReconnect: e.allowReconnect}, nil
	case TypeAck, TypeSequence:
		return e.sequence()
	default:
		return nil, nil
	}
}

func (e *envelope) invocation() (Message, error) {
	stream := Type(e.kind) == TypeStreamInvocation
	switch {
	case stream && len(e.id.literal) == 0:
		return nil, missing("invocationId")
	case !e.hasTarget:
		return nil, missing("target")
	case e.call == nil:
		return nil, missing("arguments")
	}
	id, err := textOf(e.id, "invocationId")
	if err != nil {
		return nil, err
	}
	target, err := textOf(e.target, "target")
	if err != nil {
		return nil, err
	}
	m := &e.call.Invocation
	m.Headers, m.ID, m.Target, m.StreamIDs, m.Stream = e.headers, id, target, e.streamIDs, stream
	return m, nil
}

func (e *envelope) streamItem() (Message, error) {
	id, err := e.requiredID()
	if err != nil {
		return nil, err
	}
	if e.item == nil {
		return nil, missing("item")
	}
	return &StreamItem{Headers: e.headers, ID: id, Item: e.item}, nil
}

func (e *envelope) completion() (Message, error) {
	id, err := e.requiredID()
	if err != nil {
		return nil, err
	}
	if e.hasError && e.result != nil {
		return nil, invalid("The 'error' and 'result' properties are mutually exclusive.")
	}
	text, err := textOf(e.err, "error")
	if err != nil {
		return nil, err
	}
	m := &Completion{Headers: e.headers, ID: id, Error: text}
	if e.result != nil {
		m.Result, m.HasResult = e.result, true
	}
	return m, nil
}

func (e *envelope) sequence() (Message, error) {
	if !e.hasSequenceID {
		return nil, missing("sequenceId")
	}
	if Type(e.kind) == TypeAck {
		return &Ack{SequenceID: e.sequenceID}, nil
	}
	return &Sequence{SequenceID: e.sequenceID}, nil
}

func (e *envelope) requiredID() (string, error) {
	if !e.hasID {
		return "", missing("invocationId")
	}
	return textOf(e.id, "invocationId")
}

func missing(property string) error {
	return invalid("Missing required property '%s'.", property)
}

func wrongType(property, wanted string) error {
	return invalid("Expected '%s' to be of type %s.", property, wanted)
}

func textOf(value jsonString, property string) (string, error) {
	text, ok := value.unescape()
	if !ok {
		return "", invalid("Property '%s' is not valid UTF-8.", property)
	}
	return text, nil
}

func readText(s *scanner, property string) (jsonString, error) {
	if s.peek() != '"' {
		return jsonString{}, wrongType(property, "String")
	}
	return s.readString()
}

func readNumber(s *scanner, property string, bits int) (int64, error) {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, wrongType(property, "Number")
	}
	return s.readInteger(bits)
}

func readBool(s *scanner, property string) (bool, error) {
	switch s.peek() {
	case 't':
		return true, s.skipLiteral("true")
	case 'f':
		return false, s.skipLiteral("false")
	default:
		return false, invalid("Expected '%s' to be true or false.", property)
	}
}

func readArguments(s *scanner) (*call, error) {
	if s.peek() != '[' {
		return nil, wrongType("arguments", "Array")
	}
	c := &call{}
	c.Arguments = c.room[:0]
	for first := true; ; first = false {
		more, err := s.element(first)
		if err != nil || !more {
			return c, err
		}
		value, err := s.readValue(2)
		if err != nil {
			return nil, err
		}
		c.Arguments = append(c.Arguments, value)
	}
}

func readStreamIDs(s *scanner) ([]string, error) {
	if s.peek() != '[' {
		return nil, wrongType("streamIds", "Array")
	}
	var ids []string
	for first := true; ; first = false {
		more, err := s.element(first)
		if err != nil || !more {
			return ids, err
		}
		literal, err := readText(s, "streamIds")
		if err != nil {
			return nil, err
		}
		id, err := textOf(literal, "streamIds")
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
}

func readHeaders(s *scanner) (map[string]string, error) {
	if s.peek() != '{' {
		return nil, wrongType("headers", "Object")
	}
	var headers map[string]string
	for first := true; ; first = false {
		literal, more, err := s.property(first)
		if err != nil || !more {
			return headers, err
		}
		name, err := textOf(literal, "headers")
		if err != nil {
			return nil, err
		}
		if s.peek() != '"' {
			return nil, invalid("Expected every header to be of type String.")
		}
		if literal, err = s.readString(); err != nil {
			return nil, err
		}
		value, err := textOf(literal, "headers")
		if err != nil {
			return nil, err
		}
		if headers == nil {
			headers = make(map[string]string)
		}
		headers[name] = value
	}
}
