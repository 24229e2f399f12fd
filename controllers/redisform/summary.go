package redisform

import "slices"

// summarise adds to the status what all servers together are.
func (p *planner) summarise() {
	status := &p.out.Status
	var first int64
	for i := range p.facts.Servers {
		server := &p.facts.Servers[i]
		if !server.Reached {
			continue
		}
		if server.UsedMemory >= status.UsedMemory {
			status.UsedMemory, status.MaximumMemory = server.UsedMemory, server.MaximumMemory
		}
		status.EvictedKeys += server.EvictedKeys
		if status.Version == "" || older(server.Version, status.Version) {
			status.Version = server.Version
		}
		first = max(first, p.lag(server))
	}
	status.Lag = first
}

// lag is how many bytes a replica is behind the server that it follows.
func (p *planner) lag(server *Server) int64 {
	primary := p.facts.server(server.Follows)
	if server.Primary || !server.LinkUp || primary == nil || primary.History != server.History {
		return 0
	}
	return max(primary.Offset-server.Offset, 0)
}

// older compares versions like 7.0.15.
func older(a, b string) bool { return slices.Compare(numbers(a), numbers(b)) < 0 }

func numbers(version string) []int {
	found := []int{0}
	for _, char := range version {
		switch last := len(found) - 1; {
		case char >= '0' && char <= '9':
			found[last] = min(found[last]*10+int(char-'0'), 1<<20)
		case char == '.':
			found = append(found, 0)
		default:
			return found
		}
	}
	return found
}
