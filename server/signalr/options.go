package signalr

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// ServerOptions are the settings of a server. The zero value is a server that stands alone.
type ServerOptions struct {
	// Backplane joins the server with others. Default: a memory backplane, one server alone.
	Backplane backplane.Backplane
	// Keys prove connection tokens. Servers behind one address must share them, so that a client may negotiate with one
	// and connect to another. Default: a random key, one server alone.
	Keys *cluster.Keys
	// Member lets other servers answer requests of connections that they own, so that clients need no sticky sessions; the
	// peer listener gives what comes from them to Server.Forwarded. Default: none, requests of a connection all come here.
	Member *cluster.Member
	// Logger gets what operators should know. Message contents are never logged. Default: nothing is logged.
	Logger *slog.Logger
	// Observer is told what happens, for metrics. Default: nobody.
	Observer Observer
	// DisconnectTimeout is how long a connection may be without a transport: after negotiation, between polls, between two
	// sockets of stateful reconnect. Default 15 s.
	DisconnectTimeout time.Duration
	// MaximumConnections is how many connections there may be; further ones are refused with status 503. Those that are
	// there may always come back with another socket. Default 0: any number.
	MaximumConnections int
}

// Observer is told what happens in a server. Its methods are called on the hot path, concurrently.
type Observer interface {
	transport.Observer
	// Invoked is called when a hub method has returned.
	Invoked(hub, method string, took time.Duration, failed bool)
}

// HubOptions are the settings of a hub. A zero value means the default, which is that of ASP.NET Core's HubOptions.
type HubOptions struct {
	// HandshakeTimeout is how long a client may take for the handshake. Default 15 s.
	HandshakeTimeout time.Duration
	// KeepAliveInterval is how often the server pings a client. Default 15 s.
	KeepAliveInterval time.Duration
	// ClientTimeoutInterval is how long a client that pings may be silent. Default 30 s.
	ClientTimeoutInterval time.Duration
	// MaximumReceiveMessageSize bounds one hub message of a client in bytes, framing included. Default 32 KiB; negative:
	// unlimited.
	MaximumReceiveMessageSize int
	// EnableDetailedErrors shows clients the text of all errors. Default false.
	EnableDetailedErrors bool
	// MaximumParallelInvocationsPerClient is how many calls of one client run at a time. Default 1; a negative number
	// is refused by Server.Hub.
	MaximumParallelInvocationsPerClient int
	// StreamBufferCapacity is how many items of a client's stream wait for the hub method before the client has to. Default 10; a
	// negative number is refused by Server.Hub.
	StreamBufferCapacity int
	// MaximumMessagesPerSecond is how many messages of any kind one client may send on average. One that sends more loses
	// its connection, with an error that says so. Default 0: any number.
	MaximumMessagesPerSecond int
	// MessageBurst is how many messages a client that was quiet may send at once. Default: what it may send in 15 s, the
	// time for which a client with stateful reconnect may be away and keep its messages.
	MessageBurst int
	// MaximumStreamsPerClient is how many streams one client may have open, either way. A call that would open more is
	// answered with an error. Default 1000.
	MaximumStreamsPerClient int
	// Protocols are the hub protocols that clients may choose. Default: JSON and MessagePack.
	Protocols []protocol.Protocol
	// UserID names the user of a connection for Clients.User, "" for none. It is asked once, at the handshake.
	// Default: nobody has a name.
	UserID func(request *Request) string
	// Filters wrap every call, connect and disconnect of the hub; the first is the outermost.
	Filters []Filter
	// Authorize decides whether the caller may call a method. Default: everyone may call every method.
	Authorize func(ctx *Context, method string) bool
}

// Request is what is known of the HTTP request that made a connection.
type Request = transport.Request

// EndpointOptions are the settings of a hub's transports at one path.
type EndpointOptions = transport.EndpointOptions

// check fails for options that no hub can have; the defaults are set.
func (o *HubOptions) check() error {
	if count := len(o.Protocols); count > maximumProtocols {
		return fmt.Errorf("%d protocols are given; a hub has at most %d", count, maximumProtocols)
	}
	if o.MaximumParallelInvocationsPerClient < 0 {
		return fmt.Errorf("MaximumParallelInvocationsPerClient is %d: at least one call of a client must be able to run", o.MaximumParallelInvocationsPerClient)
	}
	if o.StreamBufferCapacity < 0 {
		return fmt.Errorf("StreamBufferCapacity is %d: at least one item must be able to wait", o.StreamBufferCapacity)
	}
	return nil
}

func (o *HubOptions) setDefaults() {
	o.HandshakeTimeout = cmp.Or(o.HandshakeTimeout, 15*time.Second)
	o.KeepAliveInterval = cmp.Or(o.KeepAliveInterval, 15*time.Second)
	o.ClientTimeoutInterval = cmp.Or(o.ClientTimeoutInterval, 30*time.Second)
	o.MaximumReceiveMessageSize = cmp.Or(o.MaximumReceiveMessageSize, 32*1024)
	o.MaximumParallelInvocationsPerClient = cmp.Or(o.MaximumParallelInvocationsPerClient, 1)
	o.StreamBufferCapacity = cmp.Or(o.StreamBufferCapacity, 10)
	o.MessageBurst = cmp.Or(o.MessageBurst, 15*o.MaximumMessagesPerSecond)
	o.MaximumStreamsPerClient = cmp.Or(o.MaximumStreamsPerClient, 1000) // each costs a goroutine and a buffer
	if o.MaximumReceiveMessageSize < 0 {
		o.MaximumReceiveMessageSize = 0 // what the protocols take for no limit
	}
	if len(o.Protocols) == 0 {
		o.Protocols = []protocol.Protocol{protocol.JSON{}, protocol.MessagePack{}}
	}
	if o.UserID == nil {
		o.UserID = func(*Request) string { return "" }
	}
}
