package protocol

import (
	"encoding"
	"encoding/json"
	"reflect"
	"sync"
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
	types     sync.Map // reflect.Type -> methods
}

func (c *methodCache) of(t reflect.Type) methods {
	if known, ok := c.types.Load(t); ok {
		return known.(methods)
	}
	pointer := reflect.PointerTo(t)
	found := methods{
		marshaler:        t.Implements(c.marshaler),
		text:             t.Implements(textMarshalerType),
		pointerMarshaler: pointer.Implements(c.marshaler),
		pointerText:      pointer.Implements(textMarshalerType),
	}
	c.types.Store(t, found)
	return found
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
		return textOnly{value.Interface().(encoding.TextMarshaler)}
	case found.pointerText && pointed:
		return textOnly{value.Addr().Interface().(encoding.TextMarshaler)}
	default:
		return nil
	}
}

// textOnly hides all methods but MarshalText.
type textOnly struct{ encoding.TextMarshaler }
