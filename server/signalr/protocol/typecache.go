package protocol

import (
	"reflect"
	"sync"
)

// typeCache remembers what was derived from types. It is safe for concurrent use; its zero value is empty. It only
// grows: programs have a bounded number of types.
type typeCache[V any] struct {
	values sync.Map // reflect.Type -> V
}

// of returns the value for t and derives it at first sight. derive may run more than once for a type and must give the
// same each time.
func (c *typeCache[V]) of(t reflect.Type, derive func(reflect.Type) V) V {
	known, ok := c.values.Load(t)
	if !ok {
		known, _ = c.values.LoadOrStore(t, derive(t))
	}
	return known.(V) //nolint:forcetypeassert // nothing else is stored
}
