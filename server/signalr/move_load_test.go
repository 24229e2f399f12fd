package signalr_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

// publication is one stream of numbers: each is sent when the one before was accepted.
type publication struct {
	method string
	send   func(ctx context.Context, number int) error
	count  atomic.Int64
}

// publish sends numbers until stop is closed.
func (p *publication) publish(t *testing.T, stop <-chan struct{}, pause time.Duration) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for number := 0; ; number++ {
		select {
		case <-stop:
			p.count.Store(int64(number))
			return
		case <-ticker.C:
		}
		if err := p.send(context.Background(), number); err != nil {
			t.Errorf("%s %d: %v", p.method, number, err)
			p.count.Store(int64(number))
			return
		}
	}
}

// publications are all ways to reach a client, from each server.
func publications(nodes []*node, c *traveller, number int) []*publication {
	var all []*publication
	for at, n := range nodes {
		for name, audience := range map[string]func() signalr.Audience{
			"all":   n.hub.Clients().All,
			"group": func() signalr.Audience { return n.hub.Clients().Group("room") },
			"user":  func() signalr.Audience { return n.hub.Clients().User("user" + strconv.Itoa(number)) },
		} {
			method := fmt.Sprintf("%s from %d for %d", name, at, number)
			all = append(all, &publication{method: method, send: func(ctx context.Context, number int) error {
				return audience().Send(ctx, method, number)
			}})
		}
		method := fmt.Sprintf("client from %d for %d", at, number)
		all = append(all, &publication{method: method, send: func(ctx context.Context, number int) error {
			return n.hub.Clients().Client(c.id).Send(ctx, method, number)
		}})
		method2 := fmt.Sprintf("asked from %d for %d", at, number)
		all = append(all, &publication{method: method2, send: func(ctx context.Context, number int) error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			var answer int
			if err := n.hub.Clients().Client(c.id).Invoke(ctx, &answer, method2, number); err != nil || answer != number {
				return fmt.Errorf("answer %d: %w", answer, err)
			}
			return nil
		}})
	}
	return all
}

// visit makes the client a member of one group after another, from a server that may not have it, and sends it a message there. It
// must get that, and none that is sent after it was taken out.
func visit(t *testing.T, n *node, c *traveller, method string, stop <-chan struct{}) *publication {
	visits := &publication{method: method}
	ctx := context.Background()
	for number := 0; ; number++ {
		visits.count.Store(int64(number))
		select {
		case <-stop:
			return visits
		default:
		}
		group := fmt.Sprintf("%s %d", method, number)
		err := n.hub.Groups().Add(ctx, c.id, group)
		if err == nil {
			err = n.hub.Clients().Group(group).Send(ctx, method, number)
		}
		// Who is taken out is not waited for by what is still on its way.
		for began := time.Now(); err == nil && len(c.got(method)) <= number && c.failed() == nil; time.Sleep(time.Millisecond) {
			if time.Since(began) > 2*patience {
				err = errors.New("the message did not come")
			}
		}
		if err == nil {
			err = n.hub.Groups().Remove(ctx, c.id, group)
		}
		if err == nil {
			err = n.hub.Clients().Group(group).Send(ctx, method+" missed", number)
		}
		if err != nil {
			t.Errorf("%s: %v", group, err)
			return visits
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// expectAll waits for all numbers of a publication, and looks that they came once and in order.
func (c *traveller) expectAll(t *testing.T, p *publication) {
	t.Helper()
	count := int(p.count.Load())
	eventuallySo(t, func() bool { return len(c.got(p.method)) >= count || c.failed() != nil }, func() string {
		return fmt.Sprintf("%d messages of %s, %v are missing", count, p.method, missing(c.got(p.method), count))
	})
	for at, number := range c.got(p.method) {
		if at != number {
			t.Fatalf("%s: the message after %d is %d", p.method, at-1, number)
		}
	}
}

// missing are the numbers below count that are not among those.
func missing(those []int, count int) (missing []int) {
	for number := range count {
		if !slices.Contains(those, number) {
			missing = append(missing, number)
		}
	}
	return missing
}

// connector is how a client of a test connects: travel or pollAround.
type connector func(t testing.TB, user string, next func() string) *traveller

func testMovesUnderLoad(t *testing.T, mode redis.Mode, by connector, clients int, lasting time.Duration) {
	nodes := startNodes(t, 3, mode)
	anywhere := func() string { return nodes[rand.IntN(len(nodes))].address() }
	var travellers []*traveller
	var all []*publication
	byClient := map[*traveller][]*publication{}
	for number := range clients {
		c := by(t, "user"+strconv.Itoa(number), anywhere)
		c.mustCall("Join", "room")
		travellers = append(travellers, c)
		byClient[c] = publications(nodes, c, number)
		all = append(all, byClient[c]...)
	}
	stop := make(chan struct{})
	var working sync.WaitGroup
	for _, p := range all {
		working.Go(func() { p.publish(t, stop, 20*time.Millisecond) })
	}
	visits := make([]*publication, len(nodes))
	for at, n := range nodes {
		working.Go(func() { visits[at] = visit(t, n, travellers[0], fmt.Sprintf("visits from %d", at), stop) })
	}
	calls := make([]int, clients)
	for number, c := range travellers {
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				answer, err := c.call("Count")
				if err != nil || answer.Error != "" {
					t.Errorf("call %d of client %d: %v %s", calls[number], number, err, answer.Error)
					return
				}
				calls[number]++
				var counted [2]int
				if err := json.Unmarshal(answer.Result, &counted); err != nil || counted != [2]int{calls[number], 1} {
					t.Errorf("call %d of client %d counts %v", calls[number], number, counted)
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	sent := 0
	for until := time.Now().Add(lasting); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		c := travellers[rand.IntN(len(travellers))]
		for _, n := range nodes {
			sent += n.server.SendAway(c.id)
		}
	}
	close(stop)
	working.Wait()
	messages := 0
	for c, published := range byClient {
		for _, p := range published {
			if p.method[:5] != "asked" {
				c.expectAll(t, p)
				messages += int(p.count.Load())
			}
		}
	}
	for _, visited := range visits {
		travellers[0].expectAll(t, visited)
		if missed := travellers[0].got(visited.method + " missed"); len(missed) > 0 {
			t.Errorf("%s: messages to groups that were left: %v", visited.method, missed)
		}
		messages += int(visited.count.Load())
	}
	moved := 0
	for _, n := range nodes {
		moved += n.moves.count("")
		n.moves.mu.Lock()
		t.Logf("moves to %s: %v", n.address(), n.moves.outcomes)
		n.moves.mu.Unlock()
	}
	t.Logf("%d clients sent away, %d moves, %d messages", sent, moved, messages)
	if moved == 0 {
		t.Error("nothing was moved")
	}
}

func TestMovesLoseAndDoubleNothingUnderLoad(t *testing.T) {
	for _, mode := range redis.Modes() {
		t.Run(string(mode), func(t *testing.T) { testMovesUnderLoad(t, mode, travel, 4, 2*time.Second) })
	}
}
