package backplane

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
)

// Memory is the backplane of a server that stands alone: what is published is delivered here. Its zero value is
// ready for use.
type Memory struct{}

// Open implements Backplane. A name may be opened any number of times; the hubs know nothing of each other.
func (*Memory) Open(_ string, receiver Receiver) (Hub, error) {
	return &memoryHub{receiver: receiver}, nil
}

// Close implements Backplane.
func (*Memory) Close() error { return nil }

type memoryHub struct {
	receiver Receiver
	// deliver makes concurrent publishers take turns: a Receiver is promised one Deliver at a time.
	deliver        sync.Mutex
	lastInvocation atomic.Int64
}

func (h *memoryHub) Publish(_ context.Context, target Target, message Message) error {
	if message.InvocationID != "" { // the hub asks its own clients itself, and there are no others
		return fmt.Errorf("ask connection %s: %w", target.Name, ErrConnectionNotFound)
	}
	h.deliver.Lock()
	defer h.deliver.Unlock()
	h.receiver.Deliver(target, message)
	return nil
}

func (h *memoryHub) Subscribe(context.Context, ...Target) error { return nil }

func (h *memoryHub) Unsubscribe(...Target) {}

// AddToGroup has nothing to do: the hub asks only for connections that it does not have, and nobody else is there.
// It succeeds as the in-memory manager of ASP.NET Core does.
func (h *memoryHub) AddToGroup(context.Context, string, string) error { return nil }

func (h *memoryHub) RemoveFromGroup(context.Context, string, string) error { return nil }

func (h *memoryHub) NewInvocation() (id, returnTo string) {
	return "s" + strconv.FormatInt(h.lastInvocation.Add(1), 10), ""
}

func (h *memoryHub) Return(context.Context, string, string, []byte) error {
	return fmt.Errorf("return a client result: %w", ErrConnectionNotFound)
}

func (h *memoryHub) Close() error { return nil }
