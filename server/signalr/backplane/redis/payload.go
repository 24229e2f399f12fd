package redis

import (
	"github.com/tinylib/msgp/msgp"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// The payloads of the Redis channels are MessagePack arrays. Their layout is that of
// Microsoft.AspNetCore.SignalR.StackExchangeRedis, so that its servers read ours and we read theirs. Integers are
// written in the smallest form, strings as str, frames as bin.

// The actions of a group command.
const (
	groupAdd    = 1
	groupRemove = 2
)

// groupCommand asks the server that has a connection to change the connection's groups.
// On the wire: [id, server, action, group, connection].
type groupCommand struct {
	id           int32
	server       string
	action       int32
	group        string
	connectionID string
}

// completion is a client's answer on its way to the server that asked. On the wire: [protocol, frame].
type completion struct {
	protocol string
	frame    []byte
}

// The most bytes that MessagePack puts before a value: a type byte and a length of 32 bits.
const maxHeader = 5

// encodeInvocation returns [[excluded...], {protocol: frame...}], with the invocation id and the return address as
// two more elements when the client's result is wanted.
func encodeInvocation(message backplane.Message) []byte {
	payload := make([]byte, 0, invocationBound(message))
	wantsResult := message.InvocationID != ""
	if wantsResult {
		payload = msgp.AppendArrayHeader(payload, 4)
	} else {
		payload = msgp.AppendArrayHeader(payload, 2)
	}
	payload = msgp.AppendArrayHeader(payload, uint32(len(message.Excluded)))
	for _, connectionID := range message.Excluded {
		payload = msgp.AppendString(payload, connectionID)
	}
	payload = msgp.AppendMapHeader(payload, uint32(len(message.Encodings)))
	for _, encoding := range message.Encodings {
		payload = msgp.AppendString(payload, encoding.Protocol)
		payload = msgp.AppendBytes(payload, encoding.Frame)
	}
	if wantsResult {
		payload = msgp.AppendString(payload, message.InvocationID)
		payload = msgp.AppendString(payload, message.ReturnTo)
	}
	return payload
}

// invocationBound returns a size in which the payload of message fits, so that encoding allocates once.
func invocationBound(message backplane.Message) int {
	size := 3*maxHeader + 2*maxHeader + len(message.InvocationID) + len(message.ReturnTo)
	for _, connectionID := range message.Excluded {
		size += maxHeader + len(connectionID)
	}
	for _, encoding := range message.Encodings {
		size += 2*maxHeader + len(encoding.Protocol) + len(encoding.Frame)
	}
	return size
}

func encodeGroupCommand(command groupCommand) []byte {
	payload := make([]byte, 0, 6*maxHeader+len(command.server)+len(command.group)+len(command.connectionID))
	payload = msgp.AppendArrayHeader(payload, 5)
	payload = appendInt(payload, command.id)
	payload = msgp.AppendString(payload, command.server)
	payload = appendInt(payload, command.action)
	payload = msgp.AppendString(payload, command.group)
	return msgp.AppendString(payload, command.connectionID)
}

func encodeAcknowledgement(id int32) []byte {
	return appendInt(msgp.AppendArrayHeader(make([]byte, 0, 2*maxHeader), 1), id)
}

func encodeCompletion(answer completion) []byte {
	payload := make([]byte, 0, 3*maxHeader+len(answer.protocol)+len(answer.frame))
	payload = msgp.AppendArrayHeader(payload, 2)
	payload = msgp.AppendString(payload, answer.protocol)
	return msgp.AppendBytes(payload, answer.frame)
}

// appendInt writes the smallest form. msgp's own writer of signed integers never uses the unsigned forms, which are
// the smaller ones from 128 on and the ones that .NET writes.
func appendInt(payload []byte, value int32) []byte {
	if value >= 0 {
		return msgp.AppendUint32(payload, uint32(value))
	}
	return msgp.AppendInt32(payload, value)
}
