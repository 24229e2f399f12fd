package redis

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// NewInvocation implements backplane.Hub. The id is what ASP.NET Core's Redis backplane uses: 16 random bytes in base64.
func (h *hub) NewInvocation() (id, returnTo string) {
	var random [16]byte
	// rand.Read never returns an error.
	_, _ = rand.Read(random[:])
	return base64.RawStdEncoding.EncodeToString(random[:]), h.channels.returnAddress()
}

// Return implements backplane.Hub. It succeeds when Redis has taken the answer, be the server that asked still there or
// not.
func (h *hub) Return(ctx context.Context, returnTo, protocol string, frame []byte) error {
	payload := encodeCompletion(completion{protocol: protocol, frame: frame})
	if _, err := h.publish(ctx, h.channels.returnTo(returnTo), payload); err != nil {
		return fmt.Errorf("return a client result: %w", err)
	}
	return nil
}

func (h *hub) receiveCompletion(payload []byte) {
	answer, err := decodeCompletion(payload)
	if err != nil {
		h.dropped(err, len(payload))
		return
	}
	h.whileOpen(func() { h.receiver.Complete(answer.protocol, answer.frame) })
}
