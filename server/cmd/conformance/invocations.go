package main

import (
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// Complex has a field of every kind. JSON clients see text, number, ..., MessagePack clients Text, Number, ...
type Complex struct {
	Text     string
	Number   int32
	Fraction float64
	Flag     bool
	List     []int32
	Map      map[string]string
	Missing  *string
}

// InvalidOperationException is an error whose text is not meant for clients: they see it with detailed errors only, and
// then the name of its type too. The name is that of the .NET exception in its place.
type InvalidOperationException struct{ text string } //nolint:errname // clients see the name

// Error implements error.
func (e *InvalidOperationException) Error() string { return e.text }

// Echo returns its argument; null stays null.
func (*Hub) Echo(_ *signalr.Context, value *string) *string { return value }

// EchoInt returns its argument.
func (*Hub) EchoInt(_ *signalr.Context, value int32) int32 { return value }

// EchoBytes returns its argument: base64 in JSON, binary in MessagePack.
func (*Hub) EchoBytes(_ *signalr.Context, value []byte) []byte { return value }

// EchoComplex returns its argument.
func (*Hub) EchoComplex(_ *signalr.Context, value *Complex) *Complex { return value }

// Void returns nothing.
func (*Hub) Void(*signalr.Context) {}

// Delay returns the value after a while.
func (*Hub) Delay(ctx *signalr.Context, milliseconds int32, value *string) (*string, error) {
	return value, pause(ctx, milliseconds)
}

// Throw fails with an error whose text is hidden from clients.
func (*Hub) Throw(_ *signalr.Context, message string) error {
	return &InvalidOperationException{message}
}

// ThrowHub fails with an error whose text clients see.
func (*Hub) ThrowHub(_ *signalr.Context, message string) error {
	return signalr.NewHubError("%s", message)
}

// AdminOnly needs the policy admin.
func (*Hub) AdminOnly(*signalr.Context) string { return "welcome" }

// pause waits for some milliseconds, or until the connection ends.
func pause(ctx *signalr.Context, milliseconds int32) error {
	if milliseconds <= 0 {
		return nil
	}
	timer := time.NewTimer(time.Duration(milliseconds) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
