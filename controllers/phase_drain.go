package controllers

import (
	"context"

	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/drain"
)

// planDrain chooses for how many clients the end of a hub server is planned. The grace period is a part of the pods: a number
// that follows the clients would replace hub servers because many came. So it stays, until they are replaced for another reason.
func (r *Reconciler) planDrain(_ context.Context, s *scope) error {
	hash, err := children.HubTemplateHash(s.wanted)
	if err != nil {
		return err
	}
	planned, same := children.PlannedClients(s.facts.hub, hash)
	if !same {
		planned = drain.Clients(planned, s.facts.mostClients())
	}
	s.wanted.Clients = planned
	return nil
}

// mostClients is the number of clients of that hub server that has the most.
func (f facts) mostClients() int64 {
	most := int64(0)
	for _, load := range f.loads {
		most = max(most, load.Connections)
	}
	return most
}
