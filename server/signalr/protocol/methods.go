package protocol

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"
)

// maximumIndirections bounds chains of pointers and interfaces without a struct, slice or map between them: only a
// pointer that leads to itself gets there.
const maximumIndirections = 100

var (
	textMarshalerType  = reflect.TypeFor[encoding.TextMarshaler]()
	jsonNumberType     = reflect.TypeFor[json.Number]()
	jsonRawMessageType = reflect.TypeFor[json.RawMessage]()
	rawType            = reflect.TypeFor[Raw]()
	timeType           = reflect.TypeFor[time.Time]()
)

// methods tells which ways of its own a type has to encode itself, by value and by pointer.
type methods struct {
	marshaler, text               bool
	pointerMarshaler, pointerText bool
}

// methodCache asks each type once: asking reflection each time would dominate the cost of small messages. It is safe
// for concurrent use.
type methodCache struct {
	// marshaler is the interface of types that write the protocol's encoding themselves.
	marshaler reflect.Type
	types     typeCache[methods]
}

func (c *methodCache) of(t reflect.Type) methods {
	return c.types.of(t, c.derive)
}

func (c *methodCache) derive(t reflect.Type) methods {
	pointer := reflect.PointerTo(t)
	return methods{
		marshaler:        t.Implements(c.marshaler),
		text:             t.Implements(textMarshalerType),
		pointerMarshaler: pointer.Implements(c.marshaler),
		pointerText:      pointer.Implements(textMarshalerType),
	}
}

// find returns the value's own way to write itself, as its marshaler interface or encoding.TextMarshaler, or nil.
// Methods of the pointer count where the value can be pointed at, as in encoding/json; value itself is no pointer.
func (c *methodCache) find(value reflect.Value) any {
	found, pointed := c.of(value.Type()), value.CanAddr()
	switch {
	case found.marshaler:
		return value.Interface()
	case found.pointerMarshaler && pointed:
		return value.Addr().Interface()
	case found.text:
		own, _ := reflect.TypeAssert[encoding.TextMarshaler](value)
		return textOnly{own}
	case found.pointerText && pointed:
		own, _ := reflect.TypeAssert[encoding.TextMarshaler](value.Addr())
		return textOnly{own}
	default:
		return nil
	}
}

// textOnly hides all methods but MarshalText.
type textOnly struct{ encoding.TextMarshaler }
