package signalr

// hold keeps dispatchers from starting: what comes waits. Those who hold it are counted.
func (b *inbox) hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds++
}

// release takes back one hold. It tells whether a dispatcher has to be started.
func (b *inbox) release() (start bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds--
	if b.holds > 0 || b.running || b.closed || len(b.data) == 0 {
		return false
	}
	b.running = true
	return true
}
