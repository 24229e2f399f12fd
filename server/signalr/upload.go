package signalr

import (
	"errors"
	"reflect"
	"sync"
)

// errConnectionClosed is what a method reads from a stream whose client has gone.
var errConnectionClosed = errors.New("The underlying connection was closed.") //nolint:staticcheck // the reference's text

// upload is a stream that a client sends to a hub method.
type upload struct {
	id    string
	kind  reflect.Type
	items chan reflect.Value
	// ended is closed when no more items come, abandoned when nobody reads them any more.
	ended     chan struct{}
	abandoned chan struct{}
	endOnce   sync.Once
	// err is how the stream ended; it is set before ended is closed.
	err error
}

func newUpload(id string, kind reflect.Type, capacity int) *upload {
	return &upload{
		id: id, kind: kind, items: make(chan reflect.Value, capacity),
		ended: make(chan struct{}), abandoned: make(chan struct{}),
	}
}

// add waits until the method has room for the item. Meanwhile nothing of the connection is read: that is how the client
// learns to wait. Its acknowledgements alone take effect: the method may wait for one itself. What a client sent before it left is
// still read; when the server ends the connection the stream ends with an error, since an item is missing.
func (u *upload) add(c *connection, item reflect.Value, rest []byte) {
	select {
	case u.items <- item:
		return
	default:
	}
	tick, end := c.block()
	defer end()
	for {
		select {
		case u.items <- item:
			return
		case <-u.abandoned:
			return
		case <-c.dropped:
			c.streams.remove(u) // what the client still says of it is too late
			u.end(errConnectionClosed)
			return
		case <-tick:
			c.lookAhead(rest)
		}
	}
}

// end says that no more items come. The first call counts.
func (u *upload) end(err error) {
	u.endOnce.Do(func() {
		u.err = err
		close(u.ended)
	})
}

// abandon is called once, when the method has returned.
func (u *upload) abandon() { close(u.abandoned) }

// argument is the stream as the method reads it: an iter.Seq2[T, error] that ends with the error that the stream ended
// with, if any.
func (u *upload) argument() reflect.Value {
	yieldType := reflect.FuncOf([]reflect.Type{u.kind, errorType}, []reflect.Type{boolType}, false)
	sequence := reflect.FuncOf([]reflect.Type{yieldType}, nil, false)
	return reflect.MakeFunc(sequence, func(arguments []reflect.Value) []reflect.Value {
		u.read(arguments[0])
		return nil
	})
}

func (u *upload) read(yield reflect.Value) {
	noError := reflect.Zero(errorType)
	for {
		item, open := u.next()
		if !open {
			break
		}
		if !yield.Call([]reflect.Value{item, noError})[0].Bool() {
			return
		}
	}
	if u.err != nil {
		yield.Call([]reflect.Value{reflect.Zero(u.kind), reflect.ValueOf(&u.err).Elem()})
	}
}

// next waits for an item. What came before the end is read before the end.
func (u *upload) next() (item reflect.Value, open bool) {
	select {
	case item = <-u.items:
		return item, true
	default:
	}
	select {
	case item = <-u.items:
		return item, true
	case <-u.ended:
	}
	select {
	case item = <-u.items:
		return item, true
	default:
		return item, false
	}
}
