package protocol

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// misplacedNull finds a null where a number or a bool belongs, anywhere inside a value of type target, and returns what
// is wrong with it, or "". encoding/json leaves such places zero; System.Text.Json refuses them, and with it ASP.NET Core.
// raw has been read into that type before, so it is known to be well-formed and of the type's shape.
func misplacedNull(raw []byte, target reflect.Type) string {
	if !bytes.Contains(raw, []byte("null")) || readsItself(target) {
		return ""
	}
	switch target.Kind() {
	case reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64:
		if isNull(bytes.TrimSpace(raw)) {
			return "JSON null does not fit " + target.String()
		}
	case reflect.Pointer:
		if !isNull(bytes.TrimSpace(raw)) {
			return misplacedNull(raw, target.Elem())
		}
	case reflect.Slice, reflect.Array:
		return misplacedNullInList(raw, target.Elem())
	case reflect.Map:
		return misplacedNullInObject(raw, func(string) (reflect.Type, bool) { return target.Elem(), true })
	case reflect.Struct:
		return misplacedNullInObject(raw, func(name string) (reflect.Type, bool) { return jsonField(target, name) })
	}
	return ""
}

func misplacedNullInList(raw []byte, element reflect.Type) string {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil { // []byte, which is a string
		return ""
	}
	for i, value := range elements {
		if reason := misplacedNull(value, element); reason != "" {
			return within(strconv.Itoa(i), reason)
		}
	}
	return ""
}

// misplacedNullInObject asks typeOf for the type of each property's value.
func misplacedNullInObject(raw []byte, typeOf func(name string) (reflect.Type, bool)) string {
	var properties map[string]json.RawMessage
	if json.Unmarshal(raw, &properties) != nil {
		return ""
	}
	for name, value := range properties {
		if target, known := typeOf(name); known {
			if reason := misplacedNull(value, target); reason != "" {
				return within(name, reason)
			}
		}
	}
	return ""
}

// within puts the name of a part before what is wrong inside of it, as encoding/json names places: a.b.c.
func within(name, reason string) string {
	if strings.HasPrefix(reason, "JSON null") {
		return name + ": " + reason
	}
	return name + "." + reason
}

// jsonField finds the field that encoding/json reads a property into: by its tag or its name, in any case.
func jsonField(target reflect.Type, property string) (reflect.Type, bool) {
	for _, field := range reflect.VisibleFields(target) {
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if !field.IsExported() || tag == "-" || field.Anonymous && name == "" || options == "string" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		if strings.EqualFold(name, property) {
			return field.Type, true
		}
	}
	return nil, false
}

// readsItself tells whether the type decides on its own what it takes for a value.
func readsItself(target reflect.Type) bool {
	pointer := reflect.PointerTo(target)
	return pointer.Implements(reflect.TypeFor[json.Unmarshaler]()) || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
