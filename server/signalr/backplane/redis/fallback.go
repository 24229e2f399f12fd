package redis

// isolated tells whether this server is to go on without Redis, which is away: it was told that it is alone.
func (b *Backplane) isolated() bool {
	return b.options.LocalFallback && !b.status.snapshot().Connected
}

// deliverHere hands payload to the hub of this process that has subscribed channel, and returns how many have: one or none.
// The hub makes concurrent calls take turns.
func (b *Backplane) deliverHere(channel string, payload []byte) (receivers int64) {
	handler := b.table.handler(channel)
	if handler == nil {
		return 0
	}
	handler(payload)
	return 1
}
