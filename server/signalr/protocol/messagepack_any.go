package protocol

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

var anyType = reflect.TypeFor[any]()

// readAny reads the first value of input as the Go type that is nearest to it. depth is the number of arrays and maps
// around it.
func readAny(input []byte, depth int) (value any, rest []byte, err error) {
	switch msgp.NextType(input) {
	case msgp.NilType:
		return nil, input[1:], nil
	case msgp.BoolType:
		value, rest, err = msgp.ReadBoolBytes(input)
	case msgp.IntType, msgp.UintType:
		return readAnyInteger(input)
	case msgp.Float32Type, msgp.Float64Type:
		value, rest, err = msgp.ReadFloat64Bytes(input)
	case msgp.StrType:
		var text []byte
		text, rest, err = msgp.ReadStringZC(input)
		value = toText(text)
	case msgp.BinType:
		var content []byte
		content, rest, err = msgp.ReadBytesZC(input)
		value = append([]byte{}, content...)
	case msgp.TimeType, msgp.ExtensionType: // NextType tells them apart only if more bytes follow
		if value, rest, err = msgp.ReadTimeUTCBytes(input); err != nil {
			return nil, nil, misfit(input, anyType)
		}
	case msgp.ArrayType:
		return readAnyArray(input, depth+1)
	case msgp.MapType:
		return readAnyMap(input, depth+1)
	default:
		return nil, nil, misfit(input, anyType)
	}
	if err != nil {
		return nil, nil, errIncomplete
	}
	return value, rest, nil
}

func readAnyInteger(input []byte) (any, []byte, error) {
	signed, unsigned, rest, err := readInteger(input)
	if err != nil {
		return nil, nil, err
	}
	if signed >= 0 && uint64(signed) != unsigned {
		return unsigned, rest, nil
	}
	return signed, rest, nil
}

func readAnyArray(input []byte, depth int) (any, []byte, error) {
	size, rest, err := readArrayHeader(input, anyType, depth)
	if err != nil {
		return nil, nil, err
	}
	elements := []any{}
	for i := range size {
		var element any
		if element, rest, err = readAny(rest, depth); err != nil {
			return nil, nil, fmt.Errorf("element %d: %w", i, err)
		}
		elements = append(elements, element)
	}
	return elements, rest, nil
}

// readAnyMap gives all maps string keys: that is what almost all are, and what can go on as JSON. Integer keys become
// their digits.
func readAnyMap(input []byte, depth int) (any, []byte, error) {
	size, rest, err := readMapHeader(input, anyType, depth)
	if err != nil {
		return nil, nil, err
	}
	entries := make(map[string]any)
	for range size {
		var key, value any
		if key, rest, err = readAny(rest, depth); err != nil {
			return nil, nil, fmt.Errorf("key of a map: %w", err)
		}
		if value, rest, err = readAny(rest, depth); err != nil {
			return nil, nil, fmt.Errorf("value of a map: %w", err)
		}
		switch key := key.(type) {
		case string:
			entries[key] = value
		case int64:
			entries[strconv.FormatInt(key, 10)] = value
		case uint64:
			entries[strconv.FormatUint(key, 10)] = value
		default:
			return nil, nil, errors.New("key of a map: only text and integers can be keys here")
		}
	}
	return entries, rest, nil
}
