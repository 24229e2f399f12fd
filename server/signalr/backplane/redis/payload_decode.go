package redis

import (
	"errors"
	"fmt"

	"github.com/tinylib/msgp/msgp"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// The decoders trust no length that a payload states before they have seen that the payload is long enough for it:
// every element of an array takes at least one byte, every entry of a map two. They ignore elements behind those
// they know, because later versions of the reference append to its arrays.

var (
	errTooFewItems   = errors.New("the array has too few items")
	errLengthTooLong = errors.New("a stated length exceeds the payload")
	errUnknownAction = errors.New("the group command has an unknown action")
)

// decodeInvocation reads what encodeInvocation writes. The frames alias payload.
func decodeInvocation(payload []byte) (message backplane.Message, extra extension, err error) {
	items, rest, err := readArray(payload, 2)
	if err != nil {
		return message, extra, fmt.Errorf("read an invocation: %w", err)
	}
	if message.Excluded, rest, err = readStrings(rest); err != nil {
		return message, extra, fmt.Errorf("read an invocation's excluded connections: %w", err)
	}
	if message.Encodings, rest, err = readEncodings(rest); err != nil {
		return message, extra, fmt.Errorf("read an invocation's encodings: %w", err)
	}
	// The reference takes the two last elements only together; a third alone is somebody's extension.
	if items >= 4 {
		if message.InvocationID, rest, err = readString(rest); err != nil {
			return message, extra, fmt.Errorf("read an invocation's id: %w", err)
		}
		if message.ReturnTo, rest, err = readString(rest); err != nil {
			return message, extra, fmt.Errorf("read an invocation's return channel: %w", err)
		}
	}
	if items == 3 || items == 5 {
		extra = readExtension(rest)
	}
	return message, extra, nil
}

// readExtension takes what somebody else has added for no extension.
func readExtension(payload []byte) extension {
	var extra extension
	items, rest, err := msgp.ReadArrayHeaderBytes(payload)
	if err != nil || items < 2 {
		return extension{}
	}
	if extra.sent, rest, err = msgp.ReadInt64Bytes(rest); err != nil {
		return extension{}
	}
	if extra.question, _, err = msgp.ReadInt32Bytes(rest); err != nil {
		return extension{}
	}
	return extra
}

func decodeGroupCommand(payload []byte) (groupCommand, error) {
	var command groupCommand
	_, rest, err := readArray(payload, 5)
	if err != nil {
		return command, fmt.Errorf("read a group command: %w", err)
	}
	if command.id, rest, err = msgp.ReadInt32Bytes(rest); err != nil {
		return command, fmt.Errorf("read a group command's id: %w", err)
	}
	if command.server, rest, err = readString(rest); err != nil {
		return command, fmt.Errorf("read a group command's server: %w", err)
	}
	if command.action, rest, err = msgp.ReadInt32Bytes(rest); err != nil {
		return command, fmt.Errorf("read a group command's action: %w", err)
	}
	if command.action != groupAdd && command.action != groupRemove {
		return command, errUnknownAction
	}
	if command.group, rest, err = readString(rest); err != nil {
		return command, fmt.Errorf("read a group command's group: %w", err)
	}
	if command.connectionID, _, err = readString(rest); err != nil {
		return command, fmt.Errorf("read a group command's connection: %w", err)
	}
	return command, nil
}

func decodeFence(payload []byte) (mark string, err error) {
	_, rest, err := readArray(payload, 1)
	if err != nil {
		return "", fmt.Errorf("read a fence: %w", err)
	}
	if mark, _, err = readString(rest); err != nil {
		return "", fmt.Errorf("read a fence's mark: %w", err)
	}
	if mark == "" || len(mark) > maxMark {
		return "", errBadMark
	}
	return mark, nil
}

func decodeAcknowledgement(payload []byte) (int32, error) {
	_, rest, err := readArray(payload, 1)
	if err != nil {
		return 0, fmt.Errorf("read an acknowledgement: %w", err)
	}
	id, _, err := msgp.ReadInt32Bytes(rest)
	if err != nil {
		return 0, fmt.Errorf("read an acknowledgement's id: %w", err)
	}
	return id, nil
}

// decodeCompletion reads what encodeCompletion writes. The frame aliases payload.
func decodeCompletion(payload []byte) (completion, error) {
	var answer completion
	_, rest, err := readArray(payload, 2)
	if err != nil {
		return answer, fmt.Errorf("read a completion: %w", err)
	}
	if answer.protocol, rest, err = readProtocol(rest); err != nil {
		return answer, fmt.Errorf("read a completion's protocol: %w", err)
	}
	if answer.frame, _, err = readFrame(rest); err != nil {
		return answer, fmt.Errorf("read a completion's frame: %w", err)
	}
	return answer, nil
}

// readArray reads the header of an array of at least least items and returns how many it has.
func readArray(payload []byte, least int) (items int, rest []byte, err error) {
	stated, rest, err := msgp.ReadArrayHeaderBytes(payload)
	if err != nil {
		return 0, nil, fmt.Errorf("read an array's header: %w", err)
	}
	if uint64(stated) > uint64(len(rest)) {
		return 0, nil, errLengthTooLong
	}
	if int(stated) < least {
		return 0, nil, errTooFewItems
	}
	return int(stated), rest, nil
}

// readStrings returns nil for an empty array: most messages exclude nobody.
func readStrings(payload []byte) ([]string, []byte, error) {
	items, rest, err := readArray(payload, 0)
	if err != nil || items == 0 {
		return nil, rest, err
	}
	values := make([]string, items)
	for i := range values {
		if values[i], rest, err = readString(rest); err != nil {
			return nil, nil, err
		}
	}
	return values, rest, nil
}

func readEncodings(payload []byte) ([]backplane.Encoding, []byte, error) {
	stated, rest, err := msgp.ReadMapHeaderBytes(payload)
	if err != nil {
		return nil, nil, fmt.Errorf("read a map's header: %w", err)
	}
	if 2*uint64(stated) > uint64(len(rest)) {
		return nil, nil, errLengthTooLong
	}
	encodings := make([]backplane.Encoding, stated)
	for i := range encodings {
		encoding := &encodings[i]
		if encoding.Protocol, rest, err = readProtocol(rest); err != nil {
			return nil, nil, err
		}
		if encoding.Frame, rest, err = readFrame(rest); err != nil {
			return nil, nil, err
		}
	}
	return encodings, rest, nil
}

// readProtocol reads a protocol's name without allocating the two that there are.
func readProtocol(payload []byte) (string, []byte, error) {
	name, rest, err := readStringBytes(payload)
	if err != nil {
		return "", nil, err
	}
	switch string(name) {
	case "json":
		return "json", rest, nil
	case "messagepack":
		return "messagepack", rest, nil
	default:
		return string(name), rest, nil
	}
}

func readString(payload []byte) (string, []byte, error) {
	value, rest, err := readStringBytes(payload)
	return string(value), rest, err
}

func readStringBytes(payload []byte) (value, rest []byte, err error) {
	value, rest, err = msgp.ReadStringZC(payload)
	if err != nil {
		return nil, nil, fmt.Errorf("read a string: %w", err)
	}
	return value, rest, nil
}

// readFrame takes str for bin, as the reference's reader does: writers of the older MessagePack know no bin.
func readFrame(payload []byte) (frame, rest []byte, err error) {
	if len(payload) > 0 && msgp.NextType(payload) == msgp.StrType {
		frame, rest, err = msgp.ReadStringZC(payload)
	} else {
		frame, rest, err = msgp.ReadBytesZC(payload)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read a frame: %w", err)
	}
	return frame, rest, nil
}
