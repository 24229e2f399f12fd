package redis

import (
	"context"
	"errors"
	"net"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

func TestNodesThatDoNotKnowTheirHost(t *testing.T) {
	tests := []struct{ address, asked, want string }{
		{"10.0.0.1:7000", "redis:6379", "10.0.0.1:7000"},
		{":7000", "redis:6379", "redis:7000"},
		{"?:7000", "[::1]:6379", "[::1]:7000"},
		{"odd", "redis:6379", "odd"},
	}
	for _, test := range tests {
		if got := reachable(test.address, test.asked); got != test.want {
			t.Errorf("%q at %q is %q, want %q", test.address, test.asked, got, test.want)
		}
	}
}

// silent is a prober that reaches nobody.
type silent struct{ err error }

func (s silent) probe(context.Context, string, func(context.Context, *goredis.Client) error) error {
	return s.err
}

func (s silent) probeSentinel(context.Context, string, func(context.Context, *goredis.Client) error) error {
	return s.err
}

func TestTheReasonOfAServerThatAnswersCounts(t *testing.T) {
	unreachable := errors.New("unreachable")
	for _, place := range []topology{
		&seeds{addresses: []string{"a:1", "b:1"}, ask: silent{unreachable}},
		&sentinels{servers: Servers{Addresses: []string{"a:1"}, ServiceName: "x"}, ask: silent{unreachable}},
	} {
		if _, err := place.shards(t.Context()); !errors.Is(err, unreachable) {
			t.Errorf("%s: %v", place, err)
		}
	}
}

func TestSessionsBelongToThePrimaryOfTheirSlot(t *testing.T) {
	shards := []shard{{"a:1", []slotRange{{0, 9}, {20, 29}}}, {"b:1", []slotRange{{10, 19}}}}
	tests := []struct {
		address string
		slot    int
		want    bool
	}{
		{"a:1", 0, true}, {"a:1", 25, true}, {"a:1", 10, false}, {"a:1", anySlot, true},
		{"b:1", 19, true}, {"c:1", anySlot, false},
	}
	for _, test := range tests {
		if got := (&session{address: test.address, slot: test.slot}).belongs(shards); got != test.want {
			t.Errorf("%+v: %t", test, got)
		}
	}
}

// A server that never answers must not take the time that is there for another.
func TestAServerThatNeverAnswersLeavesTimeForOthers(t *testing.T) {
	silence, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silence.Close() }()
	servers := Servers{Addresses: []string{silence.Addr().String(), startMini(t)}}
	if err := startAt(t, servers, nil).Ready(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestTheSentinelThatKnowsOfTheLatestFailOverCounts(t *testing.T) {
	away, unknown := errors.New("away"), errNoVerdict
	tests := map[string]struct {
		said []verdict
		want verdict
	}{
		"all agree":           {[]verdict{{"a:1", 1, nil}, {"a:1", 1, nil}}, verdict{"a:1", 1, nil}},
		"one knows later":     {[]verdict{{"a:1", 1, nil}, {"b:1", 2, nil}, {"a:1", 1, nil}}, verdict{"b:1", 2, nil}},
		"one is away":         {[]verdict{{err: away}, {"a:1", 0, nil}}, verdict{"a:1", 0, nil}},
		"all are away":        {[]verdict{{err: away}, {err: away}}, verdict{epoch: -1, err: away}},
		"nobody was asked":    {nil, verdict{epoch: -1, err: unknown}},
		"one has never heard": {[]verdict{{err: goredis.Nil}, {err: away}}, verdict{epoch: -1, err: goredis.Nil}},
	}
	for name, test := range tests {
		if got := latest(test.said); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}
