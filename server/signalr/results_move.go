package signalr

// owedResult is a call that a client has to answer, as it is known wherever the client is.
type owedResult struct {
	id, returnTo string
}

// takeOwed takes the calls out that a client has to answer: whoever has it next sees to them. Their answers may come from another
// server from now on.
func (r *results) takeOwed(connectionID string) []owedResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := make([]owedResult, 0, len(r.owed[connectionID]))
	for id := range r.owed[connectionID] {
		result := r.pending[id]
		taken = append(taken, owedResult{id, result.returnTo})
		r.unassign(id, result)
	}
	return taken
}

// putBack takes back takeOwed.
func (r *results) putBack(connectionID string, taken []owedResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, owed := range taken {
		if result := r.pending[owed.id]; result != nil {
			r.assign(owed.id, result, connectionID)
		}
	}
}

// handOver forgets the calls that have been taken, but for those that this server itself waits for.
func (r *results) handOver(taken []owedResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, owed := range taken {
		if result := r.pending[owed.id]; result != nil && !result.awaitedHere {
			r.remove(owed.id)
		}
	}
}
