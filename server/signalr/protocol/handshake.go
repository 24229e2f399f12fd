package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// HandshakeRequest is the first message of a client: which hub protocol it speaks from then on (HubProtocol.md,
// "Overview"). It is JSON whatever the hub protocol.
type HandshakeRequest struct {
	// Protocol is the name of the hub protocol, in any case.
	Protocol string
	// Version of the hub protocol. Any up to MaximumVersion is served, also 0 and below.
	Version int
}

// HandshakeError refuses a well-formed handshake request.
type HandshakeError struct {
	// Text goes to the client as it is; clients and their users know these texts from ASP.NET Core.
	Text string
}

// Error implements error.
func (e *HandshakeError) Error() string { return "handshake refused: " + e.Text }

// The texts of a handshake that fails before there is a request to judge.
const (
	// HandshakeCanceled answers a handshake that did not come in time or exceeded the size limit.
	HandshakeCanceled = "Handshake was canceled."
	handshakeFailed   = "An unexpected error occurred during connection handshake."
)

// ParseHandshakeRequest reads the handshake request that input starts with, and its length: 0 with a nil error while
// it is incomplete. What follows it are hub messages. limit bounds its size in bytes as in Protocol.Decode. Errors are
// ErrTooLarge, wrapped, and *InvalidError; HandshakeErrorText turns them into the answer.
func ParseHandshakeRequest(input []byte, limit int) (request HandshakeRequest, length int, err error) {
	text, length, err := cutRecord(input, limit)
	if err != nil || length == 0 {
		return HandshakeRequest{}, 0, err
	}
	if request, err = parseHandshakeRequest(text); err != nil {
		return HandshakeRequest{}, 0, err
	}
	return request, length, nil
}

func parseHandshakeRequest(text []byte) (HandshakeRequest, error) {
	var request HandshakeRequest
	var hasProtocol, hasVersion bool
	err := readObject(text, func(s *scanner, name string) (err error) {
		switch name {
		case "protocol":
			hasProtocol = true
			request.Protocol, err = readOwnText(s, "protocol")
		case "version":
			hasVersion = true
			var version int64
			version, err = readNumber(s, "version", 32)
			request.Version = int(version)
		default:
			err = s.skipValue(1)
		}
		return err
	})
	switch {
	case err != nil:
		return HandshakeRequest{}, err
	case !hasProtocol:
		return HandshakeRequest{}, missingInHandshake("protocol", text)
	case !hasVersion:
		return HandshakeRequest{}, missingInHandshake("version", text)
	}
	return request, nil
}

func missingInHandshake(property string, text []byte) error {
	return &InvalidError{
		Detail:  fmt.Sprintf("Missing required property '%s'.", property),
		Content: strings.ToValidUTF8(string(text), "\uFFFD"),
	}
}

// readObject calls property for each property of the object that is all of text; property consumes the value.
func readObject(text []byte, property func(s *scanner, name string) error) error {
	s := scanner{text: text}
	s.skipSpace()
	if s.peek() != '{' {
		return notAnObject(&s)
	}
	for first := true; ; first = false {
		literal, more, err := s.property(first)
		if err != nil {
			return err
		}
		if !more {
			return s.end()
		}
		name, ok := literal.unescape()
		if !ok {
			return errPropertyName
		}
		if err := property(&s, name); err != nil {
			return err
		}
	}
}

func readOwnText(s *scanner, property string) (string, error) {
	literal, err := readText(s, property)
	if err != nil {
		return "", err
	}
	return textOf(literal, property)
}

// Select finds the requested protocol among those served and returns its place. binary tells whether the transport can carry bytes
// that are not UTF-8. The error is a *HandshakeError.
func (r HandshakeRequest) Select(protocols []Protocol, binary bool) (index int, err error) {
	index = find(r.Protocol, protocols)
	if index < 0 {
		return 0, &HandshakeError{fmt.Sprintf("The protocol '%s' is not supported.", r.Protocol)}
	}
	selected := protocols[index]
	switch {
	case r.Version > MaximumVersion:
		return 0, &HandshakeError{fmt.Sprintf("The server does not support version %d of the '%s' protocol.",
			r.Version, selected.Name())}
	case selected.Binary() && !binary:
		return 0, &HandshakeError{fmt.Sprintf("Cannot use the '%s' protocol on the current transport."+
			" The transport does not support 'Binary' transfer format.", selected.Name())}
	}
	return index, nil
}

// Find returns the protocol of that name, in any case, or nil.
func Find(name string, protocols []Protocol) Protocol {
	if index := find(name, protocols); index >= 0 {
		return protocols[index]
	}
	return nil
}

func find(name string, protocols []Protocol) int {
	return slices.IndexFunc(protocols, func(candidate Protocol) bool { return strings.EqualFold(candidate.Name(), name) })
}

// HandshakeErrorText is what a client is told about an error of ParseHandshakeRequest or Select, in the words of
// ASP.NET Core. detailed adds the reason to what is otherwise a general text. Any other error, such as the end of
// the time for the handshake, reads as canceled.
func HandshakeErrorText(err error, detailed bool) string {
	var refused *HandshakeError
	if errors.As(err, &refused) {
		return refused.Text
	}
	var malformed *InvalidError
	if !errors.As(err, &malformed) {
		return HandshakeCanceled
	}
	if !detailed {
		return handshakeFailed
	}
	text := handshakeFailed + " InvalidDataException: " + malformed.Detail
	if malformed.Content != "" {
		text += " Message content: " + malformed.Content
	}
	return text
}

// AppendHandshakeResponse writes the answer to a handshake request behind buffer: success if errorText is empty.
func AppendHandshakeResponse(buffer []byte, errorText string) []byte {
	if errorText == "" {
		return append(buffer, '{', '}', recordSeparator)
	}
	buffer = append(buffer, `{"error":`...)
	buffer = appendJSONString(buffer, errorText)
	return append(buffer, '}', recordSeparator)
}

// AppendHandshakeRequest writes a handshake request behind buffer, as a client does.
func AppendHandshakeRequest(buffer []byte, request HandshakeRequest) []byte {
	buffer = append(buffer, `{"protocol":`...)
	buffer = appendJSONString(buffer, request.Protocol)
	buffer = append(buffer, `,"version":`...)
	buffer = strconv.AppendInt(buffer, int64(request.Version), 10)
	return append(buffer, '}', recordSeparator)
}

// ParseHandshakeResponse reads the server's answer as a client does: the error text, empty on success, and the length
// of the answer, 0 with a nil error while it is incomplete.
func ParseHandshakeResponse(input []byte, limit int) (errorText string, length int, err error) {
	text, length, err := cutRecord(input, limit)
	if err != nil || length == 0 {
		return "", 0, err
	}
	err = readObject(text, func(s *scanner, name string) (err error) {
		switch name {
		case "error":
			errorText, err = readOwnText(s, "error")
		case "type":
			err = invalid("Expected a handshake response from the server.")
		default:
			err = s.skipValue(1)
		}
		return err
	})
	if err != nil {
		return "", 0, err
	}
	return errorText, length, nil
}
