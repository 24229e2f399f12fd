package cluster

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// Locate finds out who owns a connection that this server's transports do not know. With claim set it becomes this
// server's if nobody owns it. owner is the instance of another server, to be given to Forward; if it is empty and here is
// not set, the connection does not exist, or not any more. The error is ErrUndecided.
func (m *Member) Locate(ctx context.Context, connectionID string, claim bool) (owner string, here bool, err error) {
	if m.Owns(connectionID) {
		return "", claim, nil
	}
	if claim && !m.awaitDoubt(ctx) { // while the others take this server for dead, what it claims is lost at once
		return "", false, ErrUndecided
	}
	if peer, known := m.hint(connectionID); known {
		return peer.Instance, false, nil
	}
	entry, problem := m.lookUp(ctx, connectionID, claim)
	switch {
	case problem != nil:
	case entry.Ended:
		return "", false, nil
	case entry.Owner == m.options.Self:
		if claim {
			m.own(connectionID, entry.Epoch)
		}
		return "", claim, nil
	case entry.exists():
		m.remember(connectionID, entry.Owner)
		return entry.Owner.Instance, false, nil
	}
	// The directory is away, or Redis has forgotten: the owner itself knows best.
	peer, found, sure := m.askPeers(ctx, connectionID)
	switch {
	case found:
		m.remember(connectionID, peer)
		return peer.Instance, false, nil
	case claim:
		// Nobody could claim it in the directory either. It is entered when Redis is back.
		m.own(connectionID, 1)
		return "", true, nil
	case problem != nil && !sure:
		return "", false, ErrUndecided
	}
	return "", false, nil
}

// errMisses says that nothing follows from what the directory does not have.
var errMisses = errors.New("the directory does not list servers that it listed a moment ago")

// lookUp asks the directory, and claims the connection there if that is wanted.
func (m *Member) lookUp(ctx context.Context, connectionID string, claim bool) (Entry, error) {
	limit := directoryTimeout
	if claim {
		limit = claimTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !claim {
		entry, err := m.options.Directory.Find(ctx, connectionID)
		if err == nil && !entry.exists() && m.misses() {
			err = errMisses // it may have lost the entry as well
		}
		return entry, err
	}
	return swap(ctx, m.options.Directory, Change{ConnectionID: connectionID, To: claimed(m.options.Self)})
}

// misses tells whether servers are gone from the directory that may live.
func (m *Member) misses() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.vanished) > 0
}

// known are the other servers that may live.
func (m *Member) known() []Peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := make([]Peer, 0, len(m.peers)+len(m.vanished))
	for _, server := range m.peers {
		known = append(known, server.Peer)
	}
	return slices.AppendSeq(known, maps.Keys(m.vanished))
}

// askPeers asks all others at once. sure tells that each of them has answered, or is gone.
func (m *Member) askPeers(ctx context.Context, connectionID string) (owner Peer, found, sure bool) {
	ctx, cancel := context.WithTimeout(ctx, peersTimeout)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	sure = true
	for _, peer := range m.known() {
		asking.Go(func() {
			owns, err := m.options.Network.Owns(ctx, peer, connectionID)
			mu.Lock()
			defer mu.Unlock()
			if owns {
				owner, found = peer, true
				cancel()
			}
			if err != nil && !errors.Is(err, ErrGone) {
				sure = false
			}
		})
	}
	asking.Wait()
	return owner, found, sure
}

// Forward lets the owner of a connection, which Locate has found, answer a request. It returns false, and has answered
// nothing, if that server does not have the connection any more: then Locate knows more. With takes set, of a server that
// would take the connection, the owner may offer it instead of an answer.
func (m *Member) Forward(w http.ResponseWriter, r *http.Request, connectionID, owner string, takes bool) (answered, offered bool) {
	peer, known := m.hint(connectionID)
	if !known || peer.Instance != owner {
		return false, false
	}
	attempt, end := once(r)
	err := m.options.Network.Forward(w, attempt, peer, connectionID, takes)
	final := end()
	switch {
	case errors.Is(err, ErrOffered):
		return false, true
	case err == nil:
		m.options.Observer.Forwarded(true)
		return true, false
	case r.Context().Err() != nil:
		return true, false // nobody is there to be answered
	}
	m.options.Observer.Forwarded(false)
	m.forget(connectionID)
	switch err = m.confirm(r.Context(), peer, connectionID, err); {
	case errors.Is(err, ErrGone):
		m.markLost(r.Context(), connectionID, peer)
		if !final {
			return false, false
		}
	case errors.Is(err, ErrNotOwner) && !final:
		return false, false
	}
	m.logger.Warn("the server that owns a connection cannot be reached", "connection", connectionID,
		"owner", peer.Instance, "address", peer.Address, "error", err)
	w.Header().Set("Retry-After", strconv.Itoa(1))
	http.Error(w, "The server of this connection cannot be reached. Try again.", http.StatusServiceUnavailable)
	return true, false
}

// Attach connects a client's new socket to the owner of its connection, which Locate has found, until ctx ends. The
// tunnel has the bytes of all frames in both directions; it outlives ctx. gone tells that the owner does not have the
// connection any more: then Locate knows more. Other errors may pass.
func (m *Member) Attach(ctx context.Context, r *http.Request, connectionID, owner string) (tunnel io.ReadWriteCloser, gone bool, err error) {
	peer, known := m.hint(connectionID)
	if !known || peer.Instance != owner {
		return nil, true, ErrNotOwner
	}
	tunnel, err = m.options.Network.Attach(ctx, r, peer, connectionID)
	m.options.Observer.Attached(err == nil)
	if err == nil {
		return tunnel, false, nil
	}
	m.forget(connectionID)
	switch err = m.confirm(ctx, peer, connectionID, err); {
	case errors.Is(err, ErrGone):
		m.markLost(ctx, connectionID, peer)
		return nil, true, err
	case errors.Is(err, ErrNotOwner):
		return nil, true, err
	}
	return nil, false, err
}

// confirm finds out more about a request that failed for a reason that leaves open whether its owner lives. Where nothing answers
// at all, the request and the question have used up the time that there was for both; the directory, which knows, is asked anyway.
func (m *Member) confirm(ctx context.Context, peer Peer, connectionID string, err error) error {
	if errors.Is(err, ErrGone) || errors.Is(err, ErrNotOwner) {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, peersTimeout)
	defer cancel()
	owns, problem := m.options.Network.Owns(asking, peer, connectionID)
	switch {
	case problem == nil && !owns:
		return ErrNotOwner
	case errors.Is(problem, ErrGone):
		return problem
	case problem == nil:
		return err
	}
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), directoryTimeout)
	defer cancel()
	if alive, unknown := m.options.Directory.Alive(looking, peer.Instance); unknown == nil && !alive {
		return ErrGone
	}
	return err
}

// markLost writes the tombstone of a connection whose owner is gone. Its state died with that server: nobody can go on
// with it, so its client shall learn at once that it has to begin anew, even if there is no time left for the request that has
// found it out.
func (m *Member) markLost(ctx context.Context, connectionID string, owner Peer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), directoryTimeout)
	defer cancel()
	entry, err := m.options.Directory.Find(ctx, connectionID)
	if err == nil && entry.exists() && !entry.Ended && entry.Owner == owner {
		result := m.options.Directory.Swap(ctx, Change{ConnectionID: connectionID, From: entry, To: ended()})[0]
		err = result.Err
		if result.Written { // else another request was faster
			m.options.Observer.Lost()
		}
	}
	if err != nil {
		m.logger.Warn("a lost connection cannot be marked", "connection", connectionID, "error", err)
	}
}

func (m *Member) own(connectionID string, epoch int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owned[connectionID] = epoch
}

func (m *Member) hint(connectionID string) (Peer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	peer, known := m.hints[connectionID]
	return peer, known
}

// remember keeps a hint. When there are too many, any other makes room.
func (m *Member) remember(connectionID string, owner Peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.hints) >= maximumHints {
		for other := range m.hints {
			delete(m.hints, other)
			break
		}
	}
	m.hints[connectionID] = owner
}

func (m *Member) forget(connectionID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.hints, connectionID)
}
