package signalr

import (
	"context"
	"sync"
)

// door lets any number in until it is closed, and tells when those who are inside have left. The zero value is open.
type door struct {
	// mu guards everything.
	mu     sync.Mutex
	inside int
	// opened is closed when the door opens again; nil while it is open. empty is closed when nobody is inside; nil while
	// nobody waits for that.
	opened, empty chan struct{}
}

// enter lets the caller in, who has to leave, or returns what to wait for before the next try.
func (d *door) enter() (closed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened != nil {
		return d.opened
	}
	d.inside++
	return nil
}

func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside--; d.inside == 0 && d.empty != nil {
		close(d.empty)
		d.empty = nil
	}
}

// close lets nobody in any more and waits until nobody is inside, or ctx ends. The door stays closed in both cases.
func (d *door) close(ctx context.Context) error {
	d.mu.Lock()
	if d.opened == nil {
		d.opened = make(chan struct{})
	}
	if d.inside == 0 {
		d.mu.Unlock()
		return nil
	}
	if d.empty == nil {
		d.empty = make(chan struct{})
	}
	empty := d.empty
	d.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// open lets everybody in again.
func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened != nil {
		close(d.opened)
		d.opened = nil
	}
}

// doors are doors by connection id. One that is open takes memory only while somebody is inside. The zero value has all of them open.
type doors struct {
	// mu guards what follows. The lock of a door is not taken while it is held.
	mu   sync.Mutex
	used map[string]*usedDoor
}

// usedDoor counts those who are inside, or keep it closed.
type usedDoor struct {
	door
	users int
}

// enter is door.enter.
func (d *doors) enter(id string) (closed <-chan struct{}) {
	closed = d.use(id).enter()
	if closed != nil {
		d.release(id)
	}
	return closed
}

// leave is door.leave.
func (d *doors) leave(id string) { d.release(id).leave() }

// close is door.close. Whatever it returns, open has to follow.
func (d *doors) close(ctx context.Context, id string) error { return d.use(id).close(ctx) }

// open is door.open, once after each close.
func (d *doors) open(id string) { d.release(id).open() }

func (d *doors) use(id string) *usedDoor {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used == nil {
		d.used = make(map[string]*usedDoor)
	}
	used := d.used[id]
	if used == nil {
		used = &usedDoor{}
		d.used[id] = used
	}
	used.users++
	return used
}

func (d *doors) release(id string) *usedDoor {
	d.mu.Lock()
	defer d.mu.Unlock()
	used := d.used[id]
	if used.users--; used.users == 0 {
		delete(d.used, id)
	}
	return used
}
