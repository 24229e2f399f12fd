package signalr

// Filter wraps what happens in a hub, as middleware does. A nil field wraps nothing. Filters run in the goroutine of what
// they wrap and must be safe for concurrent use.
type Filter struct {
	// Invoke wraps a call of a hub method. next runs the call; its result and error, or others, are returned. The result
	// of a streaming method is its stream, before the first item.
	Invoke func(ctx *Context, call Call, next func() (any, error)) (any, error)
	// Connect wraps OnConnected.
	Connect func(ctx *Context, next func() error) error
	// Disconnect wraps OnDisconnected.
	Disconnect func(ctx *Context, cause error, next func())
}

// Call is a call of a hub method as filters see it.
type Call struct {
	// Method is the method's name as the hub declares it.
	Method string
	// Arguments are those that the client sent, bound to the method's types. Streams are not among them.
	Arguments []any
}

func invokeFiltered(filters []Filter, ctx *Context, call Call, run func() (any, error)) (any, error) {
	for i := len(filters) - 1; i >= 0; i-- {
		if wrap, next := filters[i].Invoke, run; wrap != nil {
			run = func() (any, error) { return wrap(ctx, call, next) }
		}
	}
	return run()
}

func connectFiltered(filters []Filter, ctx *Context, run func() error) error {
	for i := len(filters) - 1; i >= 0; i-- {
		if wrap, next := filters[i].Connect, run; wrap != nil {
			run = func() error { return wrap(ctx, next) }
		}
	}
	return run()
}

func disconnectFiltered(filters []Filter, ctx *Context, cause error, run func()) {
	for i := len(filters) - 1; i >= 0; i-- {
		if wrap, next := filters[i].Disconnect, run; wrap != nil {
			run = func() { wrap(ctx, cause, next) }
		}
	}
	run()
}
