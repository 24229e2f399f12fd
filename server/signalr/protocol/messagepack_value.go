package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// What reflection says about types, remembered for the life of the process.
var (
	messagePackMethods = methodCache{marshaler: reflect.TypeFor[msgp.Marshaler]()}
	messagePackFields  = fieldCache{ //nolint:gochecknoglobals // a cache
		tag: "msgpack", rename: func(name string) string { return name }, encode: appendText,
	}
)

// appendMessagePackValue writes any value. depth is the number of arrays and maps around it. The common types of
// arguments need no reflection.
func appendMessagePackValue(buffer []byte, value any, depth int) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return msgp.AppendNil(buffer), nil
	case string:
		return appendText(buffer, v), nil
	case Raw:
		return appendRawElement(buffer, v), nil
	case []byte:
		return appendBinary(buffer, v), nil
	case bool:
		return msgp.AppendBool(buffer, v), nil
	case int:
		return appendInteger(buffer, int64(v)), nil
	case int32:
		return appendInteger(buffer, int64(v)), nil
	case int64:
		return appendInteger(buffer, v), nil
	case uint64:
		return msgp.AppendUint64(buffer, v), nil
	case float64:
		return msgp.AppendFloat64(buffer, v), nil
	default:
		return appendReflect(buffer, reflect.ValueOf(value), depth)
	}
}

func appendRawElement(buffer []byte, raw Raw) []byte {
	if len(raw) == 0 {
		return msgp.AppendNil(buffer)
	}
	return append(buffer, raw...)
}

// appendText writes a str, which must be UTF-8.
func appendText(buffer []byte, text string) []byte {
	if !utf8.ValidString(text) {
		text = toText([]byte(text))
	}
	return msgp.AppendString(buffer, text)
}

func appendBinary(buffer, content []byte) []byte {
	if content == nil {
		return msgp.AppendNil(buffer)
	}
	return msgp.AppendBytes(buffer, content)
}

// appendInteger writes the shortest form, which for positive numbers is unsigned.
func appendInteger(buffer []byte, value int64) []byte {
	if value >= 0 {
		return msgp.AppendUint64(buffer, uint64(value))
	}
	return msgp.AppendInt64(buffer, value)
}

func appendReflect(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	for range maximumIndirections {
		kind := value.Kind()
		indirect := kind == reflect.Pointer || kind == reflect.Interface
		if kind == reflect.Invalid || indirect && value.IsNil() {
			return msgp.AppendNil(buffer), nil
		}
		if indirect {
			value = value.Elem()
			continue
		}
		if extended, done, err := appendSpecial(buffer, value, depth); done {
			return extended, err
		}
		return appendKind(buffer, value, depth)
	}
	return nil, errTooDeep
}

// appendSpecial writes the types whose form does not follow from their kind.
func appendSpecial(buffer []byte, value reflect.Value, depth int) (extended []byte, done bool, err error) {
	switch value.Type() {
	case timeType:
		at, _ := reflect.TypeAssert[time.Time](value)
		return msgp.AppendTimeExt(buffer, at), true, nil
	case rawType:
		return appendRawElement(buffer, value.Bytes()), true, nil
	case jsonNumberType:
		extended, err = appendJSONNumber(buffer, json.Number(value.String()))
		return extended, true, err
	case jsonRawMessageType:
		extended, err = appendFromJSON(buffer, value.Bytes(), depth)
		return extended, true, err
	}
	switch own := messagePackMethods.find(value).(type) {
	case nil:
		return buffer, false, nil
	case textOnly:
		var text []byte
		if text, err = own.MarshalText(); err == nil {
			extended = appendText(buffer, string(text))
		}
	case msgp.Marshaler:
		extended, err = appendForeign(buffer, own, depth)
	}
	if err != nil {
		err = fmt.Errorf("%v: %w", value.Type(), err)
	}
	return extended, true, err
}

// appendForeign checks what other code wrote: a mistake there would make the whole message unreadable.
func appendForeign(buffer []byte, own msgp.Marshaler, depth int) ([]byte, error) {
	value, err := own.MarshalMsg(nil)
	if err != nil {
		return nil, err
	}
	if rest, err := skipMessagePack(value, depth); err != nil || len(rest) > 0 {
		return nil, errors.New("MarshalMsg did not write one valid value")
	}
	return append(buffer, value...), nil
}

func appendJSONNumber(buffer []byte, number json.Number) ([]byte, error) {
	if number == "" {
		return msgp.AppendUint64(buffer, 0), nil
	}
	if value, err := number.Int64(); err == nil {
		return appendInteger(buffer, value), nil
	}
	if value, err := strconv.ParseUint(string(number), 10, 64); err == nil {
		return msgp.AppendUint64(buffer, value), nil
	}
	value, err := number.Float64()
	if err != nil {
		return nil, errors.New("json.Number holds no number that fits")
	}
	return msgp.AppendFloat64(buffer, value), nil
}

// appendFromJSON translates JSON, so that a hub can send it to the clients of both protocols.
func appendFromJSON(buffer, text []byte, depth int) ([]byte, error) {
	if text == nil {
		return msgp.AppendNil(buffer), nil
	}
	if err := checkJSON(text, depth); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return appendMessagePackValue(buffer, value, depth)
}

func appendKind(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	switch kind := value.Kind(); {
	case kind == reflect.Bool:
		return msgp.AppendBool(buffer, value.Bool()), nil
	case value.CanInt():
		return appendInteger(buffer, value.Int()), nil
	case value.CanUint():
		return msgp.AppendUint64(buffer, value.Uint()), nil
	case kind == reflect.Float32:
		return msgp.AppendFloat32(buffer, float32(value.Float())), nil
	case kind == reflect.Float64:
		return msgp.AppendFloat64(buffer, value.Float()), nil
	case kind == reflect.String:
		return appendText(buffer, value.String()), nil
	case kind == reflect.Struct:
		return appendStruct(buffer, value, depth+1)
	case kind == reflect.Map:
		return appendMap(buffer, value, depth+1)
	case kind == reflect.Slice && value.IsNil():
		return msgp.AppendNil(buffer), nil
	case kind == reflect.Slice && value.Type().Elem().Kind() == reflect.Uint8:
		return msgp.AppendBytes(buffer, value.Bytes()), nil
	case kind == reflect.Slice, kind == reflect.Array:
		return appendArray(buffer, value, depth+1)
	default:
		return nil, fmt.Errorf("type %v has no MessagePack form", value.Type())
	}
}

func appendStruct(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	plan := messagePackFields.of(value.Type())
	if depth > maximumDepth {
		return nil, errTooDeep
	}
	if plan.err != nil {
		return nil, plan.err
	}
	present := 0
	for i := range plan.fields {
		if member, ok := plan.fields[i].get(value); ok && !plan.fields[i].omits(member) {
			present++
		}
	}
	buffer = msgp.AppendMapHeader(buffer, uint32(present))
	for i := range plan.fields {
		f := &plan.fields[i]
		member, ok := f.get(value)
		if !ok || f.omits(member) {
			continue
		}
		var err error
		if buffer, err = appendReflect(append(buffer, f.key...), member, depth); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return buffer, nil
}

func appendArray(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	if depth > maximumDepth {
		return nil, errTooDeep
	}
	buffer = msgp.AppendArrayHeader(buffer, uint32(value.Len()))
	for i := range value.Len() {
		var err error
		if buffer, err = appendReflect(buffer, value.Index(i), depth); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return buffer, nil
}

type messagePackEntry struct {
	key   []byte
	value reflect.Value
}

// appendMap writes the entries in the order of their encoded keys, so that equal maps give equal bytes.
func appendMap(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	if depth > maximumDepth {
		return nil, errTooDeep
	}
	if value.IsNil() {
		return msgp.AppendNil(buffer), nil
	}
	entries := make([]messagePackEntry, 0, value.Len())
	for iterator := value.MapRange(); iterator.Next(); {
		key, err := appendReflect(nil, iterator.Key(), depth)
		if err != nil {
			return nil, fmt.Errorf("key of a map: %w", err)
		}
		entries = append(entries, messagePackEntry{key, iterator.Value()})
	}
	slices.SortFunc(entries, func(a, b messagePackEntry) int { return bytes.Compare(a.key, b.key) })
	buffer = msgp.AppendMapHeader(buffer, uint32(len(entries)))
	for _, entry := range entries {
		var err error
		if buffer, err = appendReflect(append(buffer, entry.key...), entry.value, depth); err != nil {
			return nil, fmt.Errorf("value of a map: %w", err)
		}
	}
	return buffer, nil
}
