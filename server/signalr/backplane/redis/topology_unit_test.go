package redis

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

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

// A Sentinel whose node is gone costs no more than a moment, unless most are gone.
func TestAnAbsentSentinelIsNotWaitedForOnceMostHaveAnswered(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		answers int
		takes   time.Duration
	}{{1, 5 * time.Second}, {2, stragglers}, {3, 0}} {
		synctest.Test(t, func(t *testing.T) {
			verdicts := make(chan verdict, 3)
			for i := range 3 {
				if i < test.answers {
					verdicts <- verdict{address: "a:1"}
					continue
				}
				time.AfterFunc(5*time.Second, func() { verdicts <- verdict{err: errNoVerdict} })
			}
			begin := time.Now()
			if said := latest(collect(verdicts, 3)); said.address != "a:1" || time.Since(begin) != test.takes {
				t.Errorf("with %d answers it takes %v, want %v, and says %+v", test.answers, time.Since(begin), test.takes, said)
			}
		})
	}
}

// A node whose machine is gone costs no more than a moment where another one tells of the same Cluster, and its whole time where
// a server that stands alone could be the wrong one.
func TestAnAbsentNodeIsNotWaitedForOnceAnotherHasAnswered(t *testing.T) {
	t.Parallel()
	whole, away := []shard{wholeShard("b:1")}, errors.New("away")
	half := []shard{{"b:1", []slotRange{{0, 9}}}, {"c:1", []slotRange{{10, 19}}}}
	for _, test := range []struct {
		name  string
		said  []shard
		takes time.Duration
	}{{"a node of a Cluster", half, stragglers}, {"a server that stands alone", whole, 5 * time.Second}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answers := make(chan shardsAnswer, 2)
				answers <- shardsAnswer{server: 1, shards: test.said}
				time.AfterFunc(5*time.Second, func() { answers <- shardsAnswer{server: 0, err: away} })
				begin := time.Now()
				if best := firstGood(answers, 2); best.err != nil || best.server != 1 || time.Since(begin) != test.takes {
					t.Errorf("after %v, want %v: %+v", time.Since(begin), test.takes, best)
				}
			})
		})
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
