package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// What a step of a move has beside its payload, which is the body.
const (
	stepHeader        = headerPrefix + "Step"
	attemptHeader     = headerPrefix + "Attempt"
	fromHeader        = headerPrefix + "From"
	fromAddressHeader = headerPrefix + "From-Address"
	epochHeader       = headerPrefix + "Epoch"
	refusedHeader     = headerPrefix + "Refused"
)

var errStep = errors.New("the answer cannot be read")

// Move implements Network.
func (n *HTTPNetwork) Move(ctx context.Context, peer Peer, request MoveRequest) (MoveReply, error) {
	reply, err := n.move(ctx, peer, request)
	if err != nil {
		return MoveReply{}, fmt.Errorf("move a connection with peer %s: %w", peer.Instance, n.explain(peer, err))
	}
	return reply, nil
}

func (n *HTTPNetwork) move(ctx context.Context, peer Peer, request MoveRequest) (MoveReply, error) {
	address := url.URL{Scheme: "https", Host: peer.Address, Path: movePath}
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(request.Payload))
	if err != nil {
		return MoveReply{}, err
	}
	for name, value := range map[string]string{
		instanceHeader: peer.Instance, connectionHeader: request.ConnectionID, attemptHeader: request.Attempt,
		stepHeader: strconv.Itoa(int(request.Step)), fromHeader: request.From.Instance, fromAddressHeader: request.From.Address,
	} {
		out.Header.Set(name, value)
	}
	response, err := n.transport.RoundTrip(out)
	if err != nil {
		return MoveReply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if refusal := refusal(response); refusal != nil {
		if response.StatusCode == http.StatusNotFound { // a server that knows no moves
			refusal = Refuse(RefusedVersion, refusal)
		}
		return MoveReply{}, refusal
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maximumMovePayload+1))
	if err != nil {
		return MoveReply{}, err
	}
	epoch, err := strconv.ParseInt(response.Header.Get(epochHeader), 10, 64)
	if err != nil || len(body) > maximumMovePayload || response.StatusCode != http.StatusOK {
		return MoveReply{}, errStep
	}
	return MoveReply{Refused: response.Header.Get(refusedHeader), Epoch: epoch, Payload: body}, nil
}

// serveMove answers a step that a peer takes.
func (m *Member) serveMove(w http.ResponseWriter, r *http.Request) {
	step, err := strconv.ParseUint(r.Header.Get(stepHeader), 10, 8)
	if err != nil || r.Method != http.MethodPost {
		reject(w, http.StatusBadRequest)
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maximumMovePayload))
	if err != nil {
		reject(w, http.StatusBadRequest)
		return
	}
	reply, err := m.Answer(r.Context(), MoveRequest{
		Step: Step(step), ConnectionID: r.Header.Get(connectionHeader), Attempt: r.Header.Get(attemptHeader), Payload: payload,
		From: Peer{Instance: r.Header.Get(fromHeader), Address: r.Header.Get(fromAddressHeader)},
	})
	if err != nil {
		reject(w, http.StatusGone)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set(epochHeader, strconv.FormatInt(reply.Epoch, 10))
	if reply.Refused != "" {
		header.Set(refusedHeader, reply.Refused)
	}
	_, _ = w.Write(reply.Payload) // a peer that is gone asks again, or is asked
}
