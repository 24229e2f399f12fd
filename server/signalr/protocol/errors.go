package protocol

import (
	"errors"
	"fmt"
	"reflect"
)

// InvalidError is the error of bytes that are no message of the protocol. Whoever sent them cannot be understood any
// more, so the connection ends.
type InvalidError struct {
	// Detail says what is wrong in one sentence, for a client that may see details. It quotes property names, never
	// values.
	Detail string
	// Content is the offending text where the reference shows it to the client that sent it (handshakes only). It
	// is not part of Error, which may be logged.
	Content string
}

// Error implements error.
func (e *InvalidError) Error() string { return "invalid message: " + e.Detail }

func invalid(format string, arguments ...any) *InvalidError {
	return &InvalidError{Detail: fmt.Sprintf(format, arguments...)}
}

// BindError is the error of a value that does not fit the Go type it is wanted in. The message around it is fine:
// the connection goes on.
type BindError struct {
	// Type is the wanted type.
	Type reflect.Type
	// Reason says why the value does not fit. It names types and fields, never values.
	Reason string
	// Cause is the error below, if any. It may quote the value, so Error leaves it out.
	Cause error
}

// Error implements error.
func (e *BindError) Error() string { return fmt.Sprintf("cannot bind to %v: %s", e.Type, e.Reason) }

// Unwrap returns the cause.
func (e *BindError) Unwrap() error { return e.Cause }

func bindError(into any, format string, arguments ...any) *BindError {
	wanted := reflect.TypeOf(into)
	if wanted != nil && wanted.Kind() == reflect.Pointer {
		wanted = wanted.Elem()
	}
	return &BindError{Type: wanted, Reason: fmt.Sprintf(format, arguments...)}
}

func tooLarge(limit int) error {
	return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
}

var (
	errPropertyName = invalid("A property name is not valid UTF-8.")
	errTooDeep      = fmt.Errorf("value nests deeper than %d levels or contains itself", maximumDepth)
)

// checkMessage refuses what no peer would take, before it is on its way to one.
func checkMessage(message Message) error {
	id := "any"
	switch m := message.(type) {
	case nil:
		return errors.New("encode message: it is nil")
	case *Invocation:
		if m.Target == "" {
			return errors.New("encode message: an invocation needs a target")
		}
		if m.Stream {
			id = m.ID
		}
	case *StreamItem:
		id = m.ID
	case *Completion:
		id = m.ID
	case *CancelInvocation:
		id = m.ID
	}
	if id == "" {
		return fmt.Errorf("encode message: %T needs an invocation id", message)
	}
	return nil
}

func unknownMessage(message Message) error {
	return fmt.Errorf("encode message: unknown kind %T", message)
}

func argumentError(index int, err error) error {
	return fmt.Errorf("encode argument %d: %w", index+1, err)
}
