package signalr_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

type ownError struct{ testHub }

func (*ownError) Check(*signalr.Context) *signalr.HubError { return nil }

type ownErrorBeside struct{ testHub }

func (*ownErrorBeside) Check(*signalr.Context) (int, *signalr.HubError) { return 0, nil }

type connectedWithoutError struct{}

func (connectedWithoutError) OnConnected(*signalr.Context) {}

type disconnectedWithoutCause struct{}

func (disconnectedWithoutCause) OnDisconnected(*signalr.Context) {}

type connectedWithoutContext struct{}

func (connectedWithoutContext) OnConnected() error { return nil }

// inherited is a hub by what it embeds.
type inherited struct{ connectedWithoutError }

type byPointer struct{}

func (*byPointer) Say(*signalr.Context, string) {}

type connectedByPointer struct{}

func (connectedByPointer) Say(*signalr.Context, string) {}

func (*connectedByPointer) OnConnected(*signalr.Context) error { return nil }

type takesChannel struct{}

func (takesChannel) Read(*signalr.Context, <-chan int) {}

type takesSequence struct{}

func (takesSequence) Read(*signalr.Context, iter.Seq[int]) {}

type takesFunction struct{}

func (takesFunction) Read(*signalr.Context, *func()) {}

type takesInterface struct{}

func (takesInterface) Read(*signalr.Context, fmt.Stringer) {}

type takesStreamOfInterfaces struct{}

func (takesStreamOfInterfaces) Read(*signalr.Context, iter.Seq2[fmt.Stringer, error]) {}

func TestAHubThatWouldFailLaterIsRefused(t *testing.T) {
	json := protocol.JSON{}
	five := []protocol.Protocol{json, json, json, json, protocol.MessagePack{}}
	for name, test := range map[string]struct {
		hub     any
		options signalr.HubOptions
		want    string
	}{
		"nil":                                 {nil, signalr.HubOptions{}, "nil"},
		"a fifth protocol":                    {&testHub{}, signalr.HubOptions{Protocols: five}, "5 protocols"},
		"a stream without room":               {&testHub{}, signalr.HubOptions{StreamBufferCapacity: -1}, "StreamBufferCapacity"},
		"no calls":                            {&testHub{}, signalr.HubOptions{MaximumParallelInvocationsPerClient: -1}, "MaximumParallelInvocationsPerClient"},
		"an error of a type of its own":       {&ownError{}, signalr.HubOptions{}, "Check: returns its error as a *signalr.HubError"},
		"such an error beside a value":        {&ownErrorBeside{}, signalr.HubOptions{}, "Check: returns its error as a *signalr.HubError"},
		"OnConnected without an error":        {connectedWithoutError{}, signalr.HubOptions{}, "OnConnected would never be called"},
		"OnConnected without a context":       {connectedWithoutContext{}, signalr.HubOptions{}, "OnConnected would never be called"},
		"OnConnected of what is embedded":     {&inherited{}, signalr.HubOptions{}, "OnConnected would never be called"},
		"OnDisconnected without a cause":      {disconnectedWithoutCause{}, signalr.HubOptions{}, "OnDisconnected would never be called"},
		"a value with methods of a pointer":   {byPointer{}, signalr.HubOptions{}, "Say has a pointer as its receiver: give the hub as a *byPointer"},
		"a value with OnConnected of one":     {connectedByPointer{}, signalr.HubOptions{}, "OnConnected has a pointer as its receiver"},
		"a parameter that is a channel":       {takesChannel{}, signalr.HubOptions{}, "Read: has a parameter of type <-chan int"},
		"a parameter without errors":          {takesSequence{}, signalr.HubOptions{}, "Read: has a parameter of type iter.Seq[int]"},
		"a parameter that is a function":      {takesFunction{}, signalr.HubOptions{}, "Read: has a parameter of type *func()"},
		"a parameter that is an interface":    {takesInterface{}, signalr.HubOptions{}, "Read: has a parameter of type fmt.Stringer"},
		"a parameter that streams interfaces": {takesStreamOfInterfaces{}, signalr.HubOptions{}, "Read: has a parameter of type iter.Seq2[fmt.Stringer,error]"},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := signalr.NewServer(signalr.ServerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = server.Shutdown(t.Context()) }()
			if _, err = server.Hub("Test", test.hub, test.options); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("registered with %v, want an error with %q", err, test.want)
			}
		})
	}
}

// customProtocol is a protocol of a type that cannot be compared.
type customProtocol struct {
	protocol.JSON
	_ []string
}

func TestAProtocolNeedNotBeComparable(t *testing.T) {
	options := signalr.HubOptions{Protocols: []protocol.Protocol{customProtocol{}}}
	_, address := startHub(t, &testHub{}, options, signalr.EndpointOptions{})
	c := connect(t, address)
	c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
	c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
}
