package protocol

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/tinylib/msgp/msgp"
)

// Unmarshal implements Protocol. Errors are *BindError. nil leaves a string empty, a struct zero and a pointer, slice,
// map or interface nil; a number or bool refuses it. Into an interface{} come nil, bool, int64 (uint64 beyond its
// range), float64, string, []byte, time.Time, []any and map[string]any. str and an array of numbers fit []byte too.
func (MessagePack) Unmarshal(raw Raw, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return bindError(into, "it is not a pointer to a value")
	}
	var rest []byte
	var err error
	switch into.(type) {
	case *string, *bool, *int, *int64, *float64: // most arguments; these have no methods to look for
		rest, err = bindNilOrScalar(raw, target.Elem())
	default:
		rest, err = bindValue(raw, target.Elem(), 0)
	}
	if err == nil && len(rest) > 0 {
		err = errors.New("more than one value")
	}
	if err != nil {
		failure := bindError(into, "%v", err)
		failure.Cause = err
		return failure
	}
	return nil
}

// What is wrong with a value. None of these texts shows the value.
var (
	errNumberRange = errors.New("the number does not fit")
	errIncomplete  = errors.New("the value is incomplete")
	errNotAccepted = errors.New("the value is not accepted")
)

func misfit(input []byte, t reflect.Type) error {
	if len(input) == 0 {
		return errIncomplete
	}
	return fmt.Errorf("MessagePack %v does not fit %v", msgp.NextType(input), t)
}

// bindValue reads the first value of input into the settable target. depth is the number of arrays and maps around it.
func bindValue(input []byte, target reflect.Value, depth int) (rest []byte, err error) {
	if rest, done, err := bindSpecial(input, target, depth); done {
		return rest, err
	}
	kind := target.Kind()
	switch {
	case msgp.IsNil(input):
		return bindNil(input, target)
	case kind == reflect.Pointer:
		if target.IsNil() {
			target.Set(reflect.New(target.Type().Elem()))
		}
		return bindValue(input, target.Elem(), depth)
	case kind == reflect.Interface && target.NumMethod() == 0:
		value, rest, err := readAny(input, depth)
		if err == nil {
			target.Set(reflect.ValueOf(value))
		}
		return rest, err
	case kind == reflect.Struct:
		return bindStruct(input, target, depth+1)
	case kind == reflect.Map:
		return bindMap(input, target, depth+1)
	case kind == reflect.Slice, kind == reflect.Array:
		return bindSequence(input, target, depth+1)
	default:
		return bindScalar(input, target)
	}
}

func bindNilOrScalar(input []byte, target reflect.Value) ([]byte, error) {
	if msgp.IsNil(input) {
		return bindNil(input, target)
	}
	return bindScalar(input, target)
}

func bindNil(input []byte, target reflect.Value) ([]byte, error) {
	switch target.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice, reflect.Struct, reflect.String:
		target.SetZero()
		return input[1:], nil
	default:
		return nil, misfit(input, target.Type())
	}
}

// bindSpecial reads into the types whose form does not follow from their kind.
func bindSpecial(input []byte, target reflect.Value, depth int) (rest []byte, done bool, err error) {
	if target.Kind() == reflect.Pointer || target.Kind() == reflect.Interface {
		return nil, false, nil
	}
	switch into := target.Addr().Interface().(type) {
	case *Raw:
		value, rest, err := cutValue(input, depth)
		*into = bytes.Clone(value) // the application may keep it longer than the input buffer lives
		return rest, true, err
	case *json.RawMessage:
		rest, err = bindJSON(input, into, depth)
		return rest, true, err
	}
	if msgp.IsNil(input) {
		return nil, false, nil
	}
	switch into := target.Addr().Interface().(type) {
	case *json.Number:
		rest, err = bindJSONNumber(input, into, depth)
		return rest, true, err
	case msgp.Unmarshaler:
		rest, err = bindForeign(input, into, depth)
		return rest, true, err
	case encoding.TextUnmarshaler:
		if msgp.NextType(input) != msgp.StrType {
			break
		}
		text, rest, err := msgp.ReadStringZC(input)
		if err != nil {
			return nil, true, errIncomplete
		}
		if err := into.UnmarshalText(text); err != nil {
			return nil, true, notAccepted(err)
		}
		return rest, true, nil
	}
	if target.Type() == timeType {
		at, rest, err := msgp.ReadTimeUTCBytes(input)
		if err != nil {
			return nil, true, misfit(input, timeType)
		}
		target.Set(reflect.ValueOf(at))
		return rest, true, nil
	}
	return nil, false, nil
}

// bindForeign lets other code read a value that is known to be whole and bounded.
func bindForeign(input []byte, into msgp.Unmarshaler, depth int) ([]byte, error) {
	value, rest, err := cutValue(input, depth)
	if err != nil {
		return nil, errIncomplete
	}
	if _, err := into.UnmarshalMsg(bytes.Clone(value)); err != nil {
		return nil, notAccepted(err)
	}
	return rest, nil
}

// hiddenError keeps the text of a cause, which may quote the value, out of an error.
type hiddenError struct{ cause error }

func (hiddenError) Error() string   { return errNotAccepted.Error() }
func (h hiddenError) Unwrap() error { return h.cause }

func notAccepted(cause error) error { return hiddenError{cause} }

// bindJSON translates the value to JSON, as Append does in the other direction.
func bindJSON(input []byte, into *json.RawMessage, depth int) ([]byte, error) {
	value, rest, err := readAny(input, depth)
	if err != nil {
		return nil, err
	}
	text, err := appendJSONValue(nil, value, depth)
	if err != nil {
		return nil, err
	}
	*into = text
	return rest, nil
}

// bindJSONNumber takes what encoding/json takes: a number, or a text that is one.
func bindJSONNumber(input []byte, into *json.Number, depth int) ([]byte, error) {
	var text json.RawMessage
	rest, err := bindJSON(input, &text, depth)
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(text, into) != nil {
		return nil, misfit(input, jsonNumberType)
	}
	return rest, nil
}

func bindScalar(input []byte, target reflect.Value) (rest []byte, err error) {
	switch kind := msgp.NextType(input); {
	case kind == msgp.BoolType && target.Kind() == reflect.Bool:
		var value bool
		value, rest, err = msgp.ReadBoolBytes(input)
		target.SetBool(value)
	case kind == msgp.StrType && target.Kind() == reflect.String:
		var text []byte
		text, rest, err = msgp.ReadStringZC(input)
		target.SetString(toText(text))
	case kind == msgp.IntType || kind == msgp.UintType:
		return bindInteger(input, target)
	case (kind == msgp.Float32Type || kind == msgp.Float64Type) && target.CanFloat():
		var value float64
		if value, rest, err = msgp.ReadFloat64Bytes(input); err == nil && target.OverflowFloat(value) {
			return nil, errNumberRange
		}
		target.SetFloat(value)
	default:
		return nil, misfit(input, target.Type())
	}
	if err != nil {
		return nil, errIncomplete
	}
	return rest, nil
}

// bindInteger takes the value and not its width: clients write the shortest form or the one their language has.
func bindInteger(input []byte, target reflect.Value) ([]byte, error) {
	signed, unsigned, rest, err := readInteger(input)
	if err != nil {
		return nil, err
	}
	fits := true
	switch {
	case target.CanFloat() && signed < 0:
		target.SetFloat(float64(signed))
	case target.CanFloat():
		target.SetFloat(float64(unsigned))
	case target.CanInt():
		if fits = signed < 0 || unsigned == uint64(signed); fits {
			fits = !target.OverflowInt(signed)
		}
		if fits {
			target.SetInt(signed)
		}
	case target.CanUint():
		if fits = signed >= 0 && !target.OverflowUint(unsigned); fits {
			target.SetUint(unsigned)
		}
	default:
		return nil, misfit(input, target.Type())
	}
	if !fits {
		return nil, errNumberRange
	}
	return rest, nil
}

// readInteger returns a negative number as signed, any other as unsigned, and as signed too if it fits there, else
// signed is 0.
func readInteger(input []byte) (signed int64, unsigned uint64, rest []byte, err error) {
	if msgp.NextType(input) == msgp.UintType {
		unsigned, rest, err = msgp.ReadUint64Bytes(input)
		signed = max(int64(unsigned), 0)
	} else {
		signed, rest, err = msgp.ReadInt64Bytes(input)
		unsigned = uint64(max(signed, 0))
	}
	if err != nil {
		return 0, 0, nil, errIncomplete
	}
	return signed, unsigned, rest, nil
}
