package protocol

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/tinylib/msgp/msgp"
)

func bindStruct(input []byte, target reflect.Value, depth int) ([]byte, error) {
	plan := messagePackFields.of(target.Type())
	if plan.err != nil {
		return nil, plan.err
	}
	size, rest, err := readMapHeader(input, target.Type(), depth)
	if err != nil {
		return nil, err
	}
	for range size {
		var name []byte
		if msgp.NextType(rest) == msgp.StrType {
			name, rest, err = msgp.ReadStringZC(rest)
		} else {
			rest, err = skipMessagePack(rest, depth)
		}
		if err != nil {
			return nil, errIncomplete
		}
		position, known := plan.byName[string(name)]
		if !known {
			if rest, err = skipMessagePack(rest, depth); err != nil {
				return nil, errIncomplete
			}
			continue
		}
		if rest, err = bindField(rest, &plan.fields[position], target, depth); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func bindField(input []byte, f *field, target reflect.Value, depth int) ([]byte, error) {
	member, err := f.reach(target)
	if err != nil {
		return nil, err
	}
	rest, err := bindValue(input, member, depth)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return rest, nil
}

func bindMap(input []byte, target reflect.Value, depth int) ([]byte, error) {
	size, rest, err := readMapHeader(input, target.Type(), depth)
	if err != nil {
		return nil, err
	}
	entries := reflect.MakeMap(target.Type())
	for range size {
		key, value := reflect.New(target.Type().Key()).Elem(), reflect.New(target.Type().Elem()).Elem()
		if rest, err = bindValue(rest, key, depth); err != nil {
			return nil, fmt.Errorf("key of a map: %w", err)
		}
		if !key.Comparable() {
			return nil, errors.New("key of a map: arrays and maps cannot be keys")
		}
		if rest, err = bindValue(rest, value, depth); err != nil {
			return nil, fmt.Errorf("value of a map: %w", err)
		}
		entries.SetMapIndex(key, value)
	}
	target.Set(entries)
	return rest, nil
}

// bindSequence reads an array, or bytes. A slice grows with the elements that are really there: the size in the header
// is only a claim.
func bindSequence(input []byte, target reflect.Value, depth int) ([]byte, error) {
	kind := msgp.NextType(input)
	if kind == msgp.BinType || kind == msgp.StrType {
		return bindBinary(input, target, kind)
	}
	size, rest, err := readArrayHeader(input, target.Type(), depth)
	if err != nil {
		return nil, err
	}
	elements := target
	switch {
	case target.Kind() == reflect.Slice:
		elements = reflect.New(target.Type()).Elem()
		elements.Set(reflect.MakeSlice(target.Type(), 0, min(int(size), 64)))
	case int(size) != target.Len():
		return nil, fmt.Errorf("%d elements do not fit %v", size, target.Type())
	}
	for i := range int(size) {
		if target.Kind() == reflect.Slice {
			elements.Grow(1)
			elements.SetLen(i + 1)
		}
		if rest, err = bindValue(rest, elements.Index(i), depth); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	if target.Kind() == reflect.Slice {
		target.Set(elements)
	}
	return rest, nil
}

func bindBinary(input []byte, target reflect.Value, kind msgp.Type) (rest []byte, err error) {
	if target.Type().Elem().Kind() != reflect.Uint8 {
		return nil, misfit(input, target.Type())
	}
	var content []byte
	if kind == msgp.BinType {
		content, rest, err = msgp.ReadBytesZC(input)
	} else {
		content, rest, err = msgp.ReadStringZC(input)
	}
	switch {
	case err != nil:
		return nil, errIncomplete
	case target.Kind() == reflect.Slice:
		target.SetBytes(append([]byte{}, content...))
	case len(content) != target.Len():
		return nil, fmt.Errorf("%d bytes do not fit %v", len(content), target.Type())
	default:
		reflect.Copy(target, reflect.ValueOf(content))
	}
	return rest, nil
}

// readMapHeader and readArrayHeader refuse sizes that the bytes left cannot hold.
func readMapHeader(input []byte, t reflect.Type, depth int) (uint32, []byte, error) {
	if msgp.NextType(input) != msgp.MapType {
		return 0, nil, misfit(input, t)
	}
	size, rest, err := msgp.ReadMapHeaderBytes(input)
	return checkSize(size, 2*uint64(size), rest, err, depth)
}

func readArrayHeader(input []byte, t reflect.Type, depth int) (uint32, []byte, error) {
	if msgp.NextType(input) != msgp.ArrayType {
		return 0, nil, misfit(input, t)
	}
	size, rest, err := msgp.ReadArrayHeaderBytes(input)
	return checkSize(size, uint64(size), rest, err, depth)
}

func checkSize(size uint32, atLeast uint64, rest []byte, err error, depth int) (uint32, []byte, error) {
	switch {
	case err != nil || atLeast > uint64(len(rest)):
		return 0, nil, errIncomplete
	case depth > maximumDepth:
		return 0, nil, errTooDeep
	default:
		return size, rest, nil
	}
}
