package signalr

// assured waits while this server does not know whether the connection is still its own, because it did not run for a while. It
// reports false if the connection has ended meanwhile by the server's will, or by that of others: then nothing may be done for its
// client any more.
func (c *connection) assured() bool {
	member := c.hub.server.options.Member
	if member == nil {
		return true
	}
	doubt := member.Doubt()
	if doubt == nil {
		return true
	}
	select {
	case <-doubt:
	case <-c.dropped:
	}
	select {
	case <-c.dropped:
		return false
	default:
		return true
	}
}
