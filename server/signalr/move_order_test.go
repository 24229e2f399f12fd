package signalr_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// While a connection moves, what is sent to it goes through Redis. It is still on its way there when the connection has come
// to its new server: what is sent to it at that server must not overtake it.
func TestWhatIsSentAfterAMoveDoesNotOvertakeWhatWasSentBefore(t *testing.T) {
	const blocked = 100 * time.Millisecond
	var s *switched
	var proxy *redistest.Proxy
	send := func(ctx context.Context, at, number int) error {
		return s.nodes[at].hub.Clients().Client(s.client.id).Send(ctx, "numbers", number)
	}
	s = startTroubled(t, func(o *nodeOptions) {
		proxy = redistest.StartProxy(t, o.redis.Address)
		o.backplaneAddress = proxy.Address
		o.network = func(n cluster.Network) cluster.Network {
			return &interrupted{Network: n, step: cluster.StepState, do: func(ctx context.Context) error {
				proxy.Hold(redistest.ToClient) // the first fence has come
				return send(ctx, 0, 1)
			}}
		}
	})
	must(t, send(t.Context(), 0, 0))
	s.sendTo(t, 1)
	s.expectAt(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), blocked)
	defer cancel()
	if err := send(ctx, 1, 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it was sent past the one before: %v", err)
	}
	proxy.Release(redistest.ToClient)
	must(t, send(t.Context(), 1, 3))
	eventually(t, "the last comes", func() bool { return slices.Contains(s.client.got("numbers"), 3) })
	if got := s.client.got("numbers"); !slices.Contains(got, 1) || !slices.IsSorted(got) {
		t.Errorf("the client got %v", got)
	}
}
