package protocol

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// What reflection says about types, remembered for the life of the process.
var (
	jsonMethods = methodCache{marshaler: reflect.TypeFor[json.Marshaler]()}
	jsonFields  = fieldCache{ //nolint:gochecknoglobals // a cache
		tag: "json", rename: camelCase,
		encode: func(buffer []byte, name string) []byte { return append(appendJSONString(buffer, name), ':') },
	}
)

// appendJSONValue writes any value. depth is the number of objects and arrays around it. The common types of
// arguments need no reflection.
func appendJSONValue(buffer []byte, value any, depth int) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(buffer, "null"...), nil
	case string:
		return appendJSONString(buffer, v), nil
	case Raw:
		return appendRaw(buffer, v), nil
	case json.RawMessage:
		return appendForeignJSON(buffer, v, depth)
	case []byte:
		return appendBase64(buffer, v), nil
	case bool:
		return strconv.AppendBool(buffer, v), nil
	case int:
		return strconv.AppendInt(buffer, int64(v), 10), nil
	case int32:
		return strconv.AppendInt(buffer, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(buffer, v, 10), nil
	case uint64:
		return strconv.AppendUint(buffer, v, 10), nil
	case float64:
		return appendFloat(buffer, v, 64)
	default:
		return appendJSONReflect(buffer, reflect.ValueOf(value), depth)
	}
}

func appendRaw(buffer []byte, raw Raw) []byte {
	if len(raw) == 0 {
		return append(buffer, "null"...)
	}
	return append(buffer, raw...)
}

// appendForeignJSON writes JSON that other code made. It is checked, as a mistake there would break the framing of
// every client that gets the message.
func appendForeignJSON(buffer []byte, text []byte, depth int) ([]byte, error) {
	if text == nil {
		return append(buffer, "null"...), nil
	}
	if err := checkJSON(text, depth); err != nil {
		return nil, err
	}
	return append(buffer, text...), nil
}

func checkJSON(text []byte, depth int) error {
	s := scanner{text: text}
	s.skipSpace()
	if err := s.skipValue(depth); err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return err
	}
	if !isText(text) {
		return errors.New("JSON holds text that is not valid UTF-8")
	}
	return nil
}

func appendBase64(buffer, content []byte) []byte {
	if content == nil {
		return append(buffer, "null"...)
	}
	buffer = append(buffer, '"')
	buffer = base64.StdEncoding.AppendEncode(buffer, content)
	return append(buffer, '"')
}

// appendFloat writes the shortest text that reads back as the same number, as JavaScript does: without an exponent
// between 1e-6 and 1e21.
func appendFloat(buffer []byte, value float64, bits int) ([]byte, error) {
	if math.IsInf(value, 0) || math.IsNaN(value) {
		return nil, fmt.Errorf("JSON has no number for %v", value)
	}
	smallest, largest := 1e-6, 1e21
	if bits == 32 {
		smallest, largest = float64(float32(smallest)), float64(float32(largest))
	}
	format, size := byte('f'), math.Abs(value)
	if size != 0 && (size < smallest || size >= largest) {
		format = 'e'
	}
	return strconv.AppendFloat(buffer, value, format, -1, bits), nil
}

func appendJSONReflect(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	for range maximumIndirections {
		kind := value.Kind()
		indirect := kind == reflect.Pointer || kind == reflect.Interface
		if kind == reflect.Invalid || indirect && value.IsNil() {
			return append(buffer, "null"...), nil
		}
		if indirect {
			value = value.Elem()
			continue
		}
		if extended, done, err := appendByMethod(buffer, value, depth); done {
			return extended, err
		}
		return appendJSONKind(buffer, value, depth)
	}
	return nil, errTooDeep
}

// appendByMethod lets a type that knows its JSON write itself.
func appendByMethod(buffer []byte, value reflect.Value, depth int) (extended []byte, done bool, err error) {
	switch own := jsonMethods.find(value).(type) {
	case nil:
		return buffer, false, nil
	case textOnly:
		var text []byte
		if text, err = own.MarshalText(); err == nil {
			extended = appendJSONString(buffer, string(text))
		}
	case json.Marshaler:
		var text []byte
		if text, err = own.MarshalJSON(); err == nil {
			extended, err = appendForeignJSON(buffer, text, depth)
		}
	}
	if err != nil {
		err = fmt.Errorf("%v: %w", value.Type(), err)
	}
	return extended, true, err
}

func appendJSONKind(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	switch value.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(buffer, value.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(buffer, value.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(buffer, value.Uint(), 10), nil
	case reflect.Float32:
		return appendFloat(buffer, value.Float(), 32)
	case reflect.Float64:
		return appendFloat(buffer, value.Float(), 64)
	case reflect.String:
		return appendJSONText(buffer, value)
	case reflect.Struct:
		return appendJSONStruct(buffer, value, depth+1)
	case reflect.Map:
		return appendJSONMap(buffer, value, depth+1)
	case reflect.Slice:
		if value.Type().Elem().Kind() == reflect.Uint8 {
			return appendJSONBytes(buffer, value, depth)
		}
		if value.IsNil() {
			return append(buffer, "null"...), nil
		}
		return appendJSONArray(buffer, value, depth+1)
	case reflect.Array:
		return appendJSONArray(buffer, value, depth+1)
	default:
		return nil, fmt.Errorf("type %v has no JSON form", value.Type())
	}
}

func appendJSONText(buffer []byte, value reflect.Value) ([]byte, error) {
	if value.Type() != jsonNumberType {
		return appendJSONString(buffer, value.String()), nil
	}
	number := value.String()
	if number == "" {
		number = "0"
	}
	s := scanner{text: []byte(number)}
	if err := s.skipNumber(); err != nil || s.position != len(number) {
		return nil, errors.New("json.Number holds no number")
	}
	return append(buffer, number...), nil
}

func appendJSONBytes(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	if raw, ok := value.Interface().(Raw); ok {
		return appendRaw(buffer, raw), nil
	}
	if element := jsonMethods.of(value.Type().Elem()); element.marshaler || element.text {
		return appendJSONArray(buffer, value, depth+1)
	}
	return appendBase64(buffer, value.Bytes()), nil
}

func appendJSONStruct(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	plan := jsonFields.of(value.Type())
	if depth > maximumDepth {
		return nil, errTooDeep
	}
	if plan.err != nil {
		return nil, plan.err
	}
	buffer = append(buffer, '{')
	first := true
	for i := range plan.fields {
		f := &plan.fields[i]
		member, ok := f.get(value)
		if !ok || f.omits(member) {
			continue
		}
		if !first {
			buffer = append(buffer, ',')
		}
		first = false
		buffer = append(buffer, f.key...)
		start := len(buffer)
		var err error
		if buffer, err = appendJSONReflect(buffer, member, depth); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if f.quoted {
			buffer = quote(buffer, start, member)
		}
	}
	return append(buffer, '}'), nil
}

// quote turns what was written since start into a string, for scalars only and not for null, as encoding/json reads
// it.
func quote(buffer []byte, start int, value reflect.Value) []byte {
	for value.Kind() == reflect.Pointer && !value.IsNil() {
		value = value.Elem()
	}
	switch kind := value.Kind(); {
	case kind >= reflect.Bool && kind <= reflect.Float64, kind == reflect.String:
		return appendJSONString(buffer[:start], string(buffer[start:]))
	default:
		return buffer
	}
}

func appendJSONArray(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	if depth > maximumDepth {
		return nil, errTooDeep
	}
	buffer = append(buffer, '[')
	for i := range value.Len() {
		if i > 0 {
			buffer = append(buffer, ',')
		}
		var err error
		if buffer, err = appendJSONReflect(buffer, value.Index(i), depth); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(buffer, ']'), nil
}

type jsonEntry struct {
	key   string
	value reflect.Value
}

// appendJSONMap writes the entries in the order of their keys, so that equal maps give equal bytes.
func appendJSONMap(buffer []byte, value reflect.Value, depth int) ([]byte, error) {
	if depth > maximumDepth {
		return nil, errTooDeep
	}
	if value.IsNil() {
		return append(buffer, "null"...), nil
	}
	entries := make([]jsonEntry, 0, value.Len())
	for iterator := value.MapRange(); iterator.Next(); {
		key, err := jsonKey(iterator.Key())
		if err != nil {
			return nil, err
		}
		entries = append(entries, jsonEntry{key, iterator.Value()})
	}
	slices.SortFunc(entries, func(a, b jsonEntry) int { return strings.Compare(a.key, b.key) })
	buffer = append(buffer, '{')
	for i, entry := range entries {
		if i > 0 {
			buffer = append(buffer, ',')
		}
		buffer = append(appendJSONString(buffer, entry.key), ':')
		var err error
		if buffer, err = appendJSONReflect(buffer, entry.value, depth); err != nil {
			return nil, fmt.Errorf("value of a map: %w", err)
		}
	}
	return append(buffer, '}'), nil
}

// jsonKey is the name that a map's key has in an object; keys are left as they are, never turned to camelCase.
func jsonKey(key reflect.Value) (string, error) {
	if key.Kind() == reflect.String {
		return key.String(), nil
	}
	if marshaler, ok := key.Interface().(encoding.TextMarshaler); ok {
		if key.Kind() == reflect.Pointer && key.IsNil() {
			return "", nil
		}
		text, err := marshaler.MarshalText()
		return string(text), err
	}
	switch {
	case key.CanInt():
		return strconv.FormatInt(key.Int(), 10), nil
	case key.CanUint():
		return strconv.FormatUint(key.Uint(), 10), nil
	default:
		return "", fmt.Errorf("keys of type %v have no JSON form", key.Type())
	}
}
