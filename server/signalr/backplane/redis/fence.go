package redis

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

var _ backplane.Fencer = (*hub)(nil)

// Domain implements backplane.Fencer. ctx is not needed: what Redis says of itself was asked when the connection was made.
func (h *hub) Domain(context.Context) (backplane.Domain, error) {
	if h.plane.options.LocalFallback {
		return "", fmt.Errorf("while Redis is away messages take another way: %w", backplane.ErrNoOrder)
	}
	order := h.plane.carrier.order()
	if order == "" {
		return "", fmt.Errorf("redis at %s is away or does not tell its run_id: %w", h.plane.status.address, backplane.ErrNoOrder)
	}
	return backplane.Domain(fmt.Sprintf("%s %s %s", h.plane.options.Mode, h.channels.fences(), order)), nil
}

// Generation implements backplane.Fencer.
func (h *hub) Generation() uint64 { return h.plane.table.generation() }

// Fence implements backplane.Fencer. Where all messages share one order, the fence has a channel of its own.
func (h *hub) Fence(ctx context.Context, mark string, targets ...backplane.Target) error {
	if mark == "" || len(mark) > maxMark {
		return fmt.Errorf("fence: %w", errBadMark)
	}
	if h.plane.options.LocalFallback {
		return fmt.Errorf("fence: %w", backplane.ErrNoOrder)
	}
	payload := encodeFence(mark)
	if h.plane.options.Mode != ModeSharded {
		return h.publishFence(ctx, h.channels.fences(), payload)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxFencesAtOnce)
	for _, channel := range h.fencedChannels(targets) {
		group.Go(func() error { return h.publishFence(ctx, channel, payload) })
	}
	return group.Wait()
}

// errBadMark says what maxMark means.
var errBadMark = errors.New("a mark has 1 to 256 bytes")

// maxFencesAtOnce bounds how many channels of a sharded hub are fenced at the same time.
const maxFencesAtOnce = 64

func (h *hub) publishFence(ctx context.Context, channel string, payload []byte) error {
	if _, err := h.publish(ctx, channel, payload); err != nil {
		return fmt.Errorf("publish a fence: %w", err)
	}
	return nil
}

// fencedChannels are the channels of targets, and those of every connection.
func (h *hub) fencedChannels(targets []backplane.Target) []string {
	all := backplane.Target{Scope: backplane.ScopeAll}
	return append(namesOf(h.handlersOf(targets)), h.channels.target(all), h.channels.groups())
}

// receiveFence is called by the subscriber, in turn with messages and group commands.
func (h *hub) receiveFence(payload []byte) {
	mark, err := decodeFence(payload)
	if err != nil {
		h.dropped(err, len(payload))
		return
	}
	h.fenced(mark, backplane.Target{Scope: backplane.ScopeEverything})
}

// receiveFenceInBand is called for what is no message to target. It is a fence, or else cannot be read for the reason given. To
// tell them only now spares messages the look.
func (h *hub) receiveFenceInBand(target backplane.Target, payload []byte, reason error) {
	mark, err := decodeFence(payload)
	if err != nil || h.plane.options.Mode != ModeSharded {
		h.dropped(reason, len(payload))
		return
	}
	h.fenced(mark, target)
}

func (h *hub) fenced(mark string, target backplane.Target) {
	h.whileOpen(func() {
		if target.Scope == backplane.ScopeCommands || target.Scope == backplane.ScopeEverything {
			h.commandFences.Add(1)
		}
		h.receiver.Fenced(mark, target)
	})
}
