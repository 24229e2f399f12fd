package protocol

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Unmarshal implements Protocol. Errors are *BindError. Property names match fields in any case. null leaves a
// string empty and a pointer, slice, map or interface nil; a number or bool refuses it, also inside of structs, slices and
// maps: who wants to take null there declares a pointer.
func (JSON) Unmarshal(raw Raw, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return bindError(into, "it is not a pointer to a value")
	}
	switch into := into.(type) {
	case *string:
		return bindString(raw, target.Elem())
	case *Raw:
		return bindRaw(raw, (*[]byte)(into), into)
	case *json.RawMessage:
		return bindRaw(raw, (*[]byte)(into), into)
	case *[]byte:
		return bindBytes(raw, into)
	case *json.Number, json.Unmarshaler, encoding.TextUnmarshaler:
		return bindAny(raw, into)
	}
	switch value := target.Elem(); value.Kind() {
	case reflect.String:
		return bindString(raw, value)
	case reflect.Bool:
		return bindBool(raw, value)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return bindNumber(raw, value)
	default:
		return bindAny(raw, into)
	}
}

func bindString(raw Raw, value reflect.Value) error {
	if isNull(raw) {
		value.SetString("")
		return nil
	}
	s := scanner{text: raw}
	literal, err := s.readString()
	if err != nil || s.position != len(raw) {
		return mismatch(raw, value)
	}
	text, ok := literal.unescape()
	if !ok {
		return notText(value)
	}
	value.SetString(text)
	return nil
}

func bindBool(raw Raw, value reflect.Value) error {
	switch string(raw) {
	case "true":
		value.SetBool(true)
	case "false":
		value.SetBool(false)
	default:
		return mismatch(raw, value)
	}
	return nil
}

func bindNumber(raw Raw, value reflect.Value) error {
	s := scanner{text: raw}
	if err := s.skipNumber(); err != nil || s.position != len(raw) {
		return mismatch(raw, value)
	}
	bits := value.Type().Bits()
	switch {
	case value.CanInt():
		number, err := strconv.ParseInt(string(raw), 10, bits)
		if err != nil {
			return doesNotFit(value)
		}
		value.SetInt(number)
	case value.CanUint():
		number, err := strconv.ParseUint(string(raw), 10, bits)
		if err != nil {
			return doesNotFit(value)
		}
		value.SetUint(number)
	default:
		number, err := strconv.ParseFloat(string(raw), bits)
		if err != nil {
			return doesNotFit(value)
		}
		value.SetFloat(number)
	}
	return nil
}

// bindBytes takes base64 only; encoding/json would also take an array of numbers, which ASP.NET Core refuses.
func bindBytes(raw Raw, into *[]byte) error {
	if isNull(raw) {
		*into = nil
		return nil
	}
	var text string
	if err := bindString(raw, reflect.ValueOf(&text).Elem()); err != nil {
		return mismatch(raw, reflect.ValueOf(into).Elem())
	}
	content, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return bindError(into, "the string is not base64")
	}
	*into = content
	return nil
}

// bindRaw copies, because the application may keep the value longer than the input buffer lives.
func bindRaw(raw Raw, into *[]byte, target any) error {
	if err := checkJSON(raw, 0); err != nil {
		return bindError(target, "it is not valid JSON")
	}
	*into = bytes.Clone(raw)
	return nil
}

func bindAny(raw Raw, into any) error {
	if !isText(raw) {
		return notText(reflect.ValueOf(into).Elem())
	}
	err := json.Unmarshal(raw, into)
	if err == nil {
		if reason := misplacedNull(raw, reflect.TypeOf(into).Elem()); reason != "" {
			return bindError(into, "%s", reason)
		}
		return nil
	}
	failure := bindError(into, "the value is not accepted")
	failure.Cause = err
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong):
		kind, _, _ := strings.Cut(wrong.Value, " ")
		failure.Reason = "JSON " + kind + " does not fit " + wrong.Type.String()
		if wrong.Field != "" {
			failure.Reason = wrong.Field + ": " + failure.Reason
		}
	case errors.As(err, &syntax):
		failure.Reason = "it is not valid JSON"
	}
	return failure
}

// isText tells whether all strings of a JSON text are text: UTF-8, without halves of surrogate pairs. encoding/json
// would replace those silently.
func isText(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for {
		start := bytes.IndexByte(text, '\\')
		if start < 0 || start+1 >= len(text) {
			return true
		}
		text = text[start:]
		length := 2
		if text[1] == 'u' && len(text) >= 6 {
			var ok bool
			if _, length, ok = unescapeUnicode(text); !ok {
				return false
			}
		}
		text = text[length:]
	}
}

func isNull(raw Raw) bool { return string(raw) == "null" }

func mismatch(raw Raw, value reflect.Value) error {
	return bindError(value.Addr().Interface(), "JSON %s does not fit", jsonKind(raw))
}

func doesNotFit(value reflect.Value) error {
	return bindError(value.Addr().Interface(), "the number does not fit")
}

func notText(value reflect.Value) error {
	return bindError(value.Addr().Interface(), "the text is not valid UTF-8")
}

// jsonKind names the kind of a value by its first byte.
func jsonKind(raw Raw) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	default:
		return "number"
	}
}
