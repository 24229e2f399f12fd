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
	// groupNone never travels: it only answers.
	groupNone   = 0
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
	// fencesBefore does not travel: how many fences had come here before the command.
	fencesBefore uint64
}

// completion is a client's answer on its way to the server that asked. On the wire: [protocol, frame].
type completion struct {
	protocol string
	frame    []byte
}

// The most bytes that MessagePack puts before a value: a type byte and a length of 32 bits.
const maxHeader = 5

// maxExtension is the most that an extension takes: a header, a time and a number.
const maxExtension = 1 + 9 + 5

// maxMark is how many bytes the mark of a fence may have.
const maxMark = 256

// extension is what servers of this kind add to an invocation, as its last element; the reference skips it. The zero
// value is not written. On the wire: [sent, question], in microseconds since 1970.
type extension struct {
	// sent is the time of publishing by the clock of the sender, in microseconds since 1970.
	sent int64
	// question, unless 0, is the id by which the server that has the connection says so to the one that asks for a
	// client's result.
	question int32
}

// encodeInvocation returns [[excluded...], {protocol: frame...}], with the invocation id and the return address as
// two more elements when the client's result is wanted, and the extension behind them.
func encodeInvocation(message backplane.Message, extra extension) []byte {
	payload := make([]byte, 0, invocationBound(message))
	wantsResult := message.InvocationID != ""
	items := uint32(2)
	if wantsResult {
		items += 2
	}
	if extra != (extension{}) {
		items++
	}
	payload = msgp.AppendArrayHeader(payload, items)
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
	if extra != (extension{}) {
		payload = msgp.AppendArrayHeader(payload, 2)
		payload = msgp.AppendInt64(payload, extra.sent)
		payload = appendInt(payload, extra.question)
	}
	return payload
}

// invocationBound returns a size in which the payload of message fits, so that encoding allocates once.
func invocationBound(message backplane.Message) int {
	size := 3*maxHeader + 2*maxHeader + maxExtension + len(message.InvocationID) + len(message.ReturnTo)
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

// encodeFence returns [mark]. No message and no group command begins so.
func encodeFence(mark string) []byte {
	payload := msgp.AppendArrayHeader(make([]byte, 0, 2*maxHeader+len(mark)), 1)
	return msgp.AppendString(payload, mark)
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
