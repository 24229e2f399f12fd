package transport

// breakage is the end of a socket as who writes to it notices it. The zero value has not happened.
type breakage struct {
	happened bool
	// noticed is closed when it happens; nil while nobody waits for that.
	noticed chan struct{}
}

func (b *breakage) happen() {
	if b.happened {
		return
	}
	b.happened = true
	if b.noticed != nil {
		close(b.noticed)
	}
}

// wait returns a channel that is closed when it happens.
func (b *breakage) wait() <-chan struct{} {
	if b.noticed == nil {
		b.noticed = make(chan struct{})
		if b.happened {
			close(b.noticed)
		}
	}
	return b.noticed
}

// unwritable returns a channel that is closed when socket cannot be written to, or is not the connection's any more. It is nil for
// a POST.
func (c *Connection) unwritable(socket attachment) <-chan struct{} {
	if socket == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != socket {
		before := breakage{happened: true}
		return before.wait()
	}
	return c.breakage.wait()
}

// breaks is called when socket cannot be written to. Who reads from it must not wait for room then: there may be none before calls are
// answered, and they are not answered before it has read that the socket has ended.
func (c *Connection) breaks(socket attachment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket == socket {
		c.breakage.happen()
	}
}
