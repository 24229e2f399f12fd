package signalr

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// HubError is an error whose text clients may see. All other errors of hub methods reach a client as a general text,
// unless HubOptions.EnableDetailedErrors is set: they may hold what is not its business.
type HubError struct {
	// Message is the text for the client.
	Message string
}

// Error implements error.
func (e *HubError) Error() string { return e.Message }

// NewHubError returns a *HubError with a formatted message.
func NewHubError(format string, arguments ...any) error {
	return &HubError{Message: fmt.Sprintf(format, arguments...)}
}

// The errors that senders can tell apart.
var (
	// ErrConnectionNotFound: the connection of which a result was asked is on no server.
	ErrConnectionNotFound = errors.New("connection does not exist")
	// ErrConnectionLost: the connection of which a result was asked ended before it answered.
	ErrConnectionLost = errors.New("connection disconnected")
	// ErrServerClosed: the server is shutting down.
	ErrServerClosed = errors.New("server is shutting down")
	// ErrTooManyMessages: the client sent more messages than HubOptions.MaximumMessagesPerSecond allows.
	ErrTooManyMessages = errors.New("too many messages per second")
	// ErrClientTimeout: the client was silent for longer than ClientTimeoutInterval.
	ErrClientTimeout = errors.New("Client hasn't sent a message/ping within the configured ClientTimeoutInterval.") //nolint:staticcheck // the reference's text
)

// The texts that clients see are those of ASP.NET Core: applications compare them.
const (
	textMethodFailed      = "An unexpected error occurred invoking '%s' on the server."
	textBindingFailed     = "Failed to invoke '%s' due to an error on the server."
	textMethodUnknown     = textBindingFailed + " HubException: Method does not exist."
	textUnauthorized      = "Failed to invoke '%s' because user is unauthorized"
	textStreamsMethod     = "The client attempted to invoke the streaming '%s' method with a non-streaming invocation."
	textPlainMethod       = "The client attempted to invoke the non-streaming '%s' method with a streaming invocation."
	textStreamFailed      = "An error occurred on the server while streaming results."
	textStreamNil         = "The value returned by the streaming method '%s' is not a ChannelReader<> or IAsyncEnumerable<>."
	textInvocationIDInUse = "Invocation ID '%s' is already in use."
	textClosedWithError   = "Connection closed with an error."
	textServerClosing     = "The server is shutting down."
	textNoBackplane       = "The server cannot reach its backplane. Try again later."
	textWrongCount        = "Invocation provides %d argument(s) but target expects %d."
	textWrongType         = "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."
	textTooManyStreams    = "Too many streams: one connection may have %d open."
	textTooManyMessages   = "Connection closed because it sent more than %d messages per second."
	textStreamCount       = "Client sent %d stream(s), Hub method expects %d."
)

// refusal is an error whose text goes to the client as it is.
func refusal(text string, arguments ...any) error { return fmt.Errorf(text, arguments...) }

// namedError is an error with the type name that a .NET client would see in detailed errors.
type namedError struct {
	name string
	err  error
}

func (e *namedError) Error() string { return e.err.Error() }
func (e *namedError) Unwrap() error { return e.err }

func invalidData(format string, arguments ...any) error {
	return &namedError{name: "InvalidDataException", err: fmt.Errorf(format, arguments...)}
}

func invalidOperation(format string, arguments ...any) error {
	return &namedError{name: "InvalidOperationException", err: fmt.Errorf(format, arguments...)}
}

// visibleText is base, followed by what the error itself says if clients may see that. The error may be the application's: if it
// panics when it is asked, it says nothing.
func (h *Hub) visibleText(base string, err error) string {
	text := base
	_, _ = h.guarded("an error", func() (any, error) {
		text = visibleText(base, err, h.options.EnableDetailedErrors)
		return nil, nil
	})
	return text
}

func visibleText(base string, err error, detailed bool) string {
	var hubError *HubError
	if errors.As(err, &hubError) && hubError != nil {
		return base + " HubException: " + hubError.Message
	}
	if !detailed && errors.Is(err, backplane.ErrUnavailable) {
		return base + " HubException: " + textNoBackplane // it gives away nothing, and the client may try again
	}
	if !detailed || err == nil {
		return base
	}
	return base + " " + errorName(err) + ": " + err.Error()
}

// errorName is the short name of the error's type; those of the standard library's plain errors say nothing.
func errorName(err error) string {
	var named *namedError
	if errors.As(err, &named) {
		return named.name
	}
	kind := reflect.TypeOf(err)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch kind.PkgPath() {
	case "errors", "fmt", "":
		return "Error"
	default:
		return kind.Name()
	}
}
