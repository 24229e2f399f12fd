package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/hack/bench/handover/stateful"
	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

// listener is a client that hears numbers, and notes what becomes of its session and of what it says itself.
type listener struct {
	*stateful.Client

	// mu guards what follows.
	mu             sync.Mutex
	joined         int
	left           []error
	heard          map[string][]int // by who has said it
	answers, fails int
}

func (l *listener) note(what func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	what()
}

func (l *listener) Joined()            { l.note(func() { l.joined++ }) }
func (l *listener) Left(reason error)  { l.note(func() { l.left = append(l.left, reason) }) }
func (l *listener) SocketEnded()       {}
func (l *listener) Opened(http.Header) {}
func (l *listener) Answered(_ int64, err error) {
	l.note(func() {
		if l.answers++; err != nil {
			l.fails++
		}
	})
}

func (l *listener) Heard(text, _ protocol.Raw) {
	who, number, _ := strings.Cut(strings.Trim(string(text), `"`), " ")
	value, _ := strconv.Atoi(number)
	l.note(func() { l.heard[who] = append(l.heard[who], value) })
}

// hearsNow tells whether the last number that came is no lower.
func (l *listener) hearsNow(who string, number int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	heard := l.heard[who]
	return len(heard) > 0 && heard[len(heard)-1] >= number
}

// movingSite is three servers on one Redis. A client listens at the old one and is about to be sent to the new one; another
// one talks at the third.
type movingSite struct {
	t                *testing.T
	redis            *redistest.Server
	old, next, third *member
	// wire is between the new server and Redis, front between the client and the servers.
	wire, front *redistest.Proxy
	client      *listener
	network     *cluster.HTTPNetwork
	// silence ends the talk.
	silence context.CancelFunc
	talk    sync.WaitGroup
	said    int // by the third server's client
	called  int // by the moving client
}

func startMoving(t *testing.T) *movingSite {
	t.Helper()
	s := &movingSite{t: t, redis: redistest.Start(t)}
	s.wire = redistest.StartProxy(t, s.redis.Address)
	s.next, s.third = runMember(t, s.wire.Address), runMember(t, s.redis.Address)
	s.old = runMember(t, s.redis.Address) // the last one, so that it knows the others
	s.front = redistest.StartProxy(t, hostOf(s.old.address))
	keys, err := cluster.NewKeys([]byte(clusterKey))
	if err != nil {
		t.Fatal(err)
	}
	s.network = cluster.NewNetwork(cluster.Peer{Instance: cluster.NewInstance()}, keys, slog.New(slog.DiscardHandler))
	t.Cleanup(s.network.Close)
	s.client = &listener{heard: map[string][]int{}}
	s.client.Client, err = stateful.New(stateful.Options{
		URL: "http://" + s.front.Address + "/chatHub", Protocol: protocol.JSON{}, User: "moving", Observer: s.client,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.run(func(ctx context.Context) { s.client.Run(ctx) })
	eventually(t, "the client is there", func() bool { _, owners := s.owners(); return len(owners) == 1 })
	socket := join(t, s.third.address)
	s.run(func(ctx context.Context) { // what comes there is nobody's business
		for {
			if _, _, err := socket.Read(ctx); err != nil {
				return
			}
		}
	})
	ctx, silence := context.WithCancel(context.Background())
	s.silence = silence
	s.talk.Go(func() { s.say(ctx, socket) })
	t.Cleanup(func() { silence(); s.talk.Wait() })
	s.hears()
	return s
}

// run does something until the test ends.
func (s *movingSite) run(what func(ctx context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		what(ctx)
	}()
	s.t.Cleanup(func() { stop(); <-done })
}

// say lets both clients say numbers until ctx ends.
func (s *movingSite) say(ctx context.Context, socket *websocket.Conn) {
	ticker := time.NewTicker(3 * time.Millisecond)
	defer ticker.Stop()
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		text := fmt.Sprintf(`{"type":1,"target":"SendMessage","arguments":["third","third %d"]}`, number)
		if err := socket.Write(context.WithoutCancel(ctx), websocket.MessageText, []byte(text+"\x1e")); err != nil {
			s.t.Errorf("say %d: %v", number, err)
			return
		}
		err := s.client.Say(int64(number), fmt.Sprintf("moving %d", number))
		s.client.note(func() {
			s.said = number
			if err == nil {
				s.called++
			}
		})
	}
}

// move sends the client from the old server to the new one, and returns when mark is about to reach Redis on the way there.
func (s *movingSite) move(mark string) {
	s.t.Helper()
	held := s.wire.HoldAt(redistest.ToServer, mark)
	s.front.Retarget(hostOf(s.next.address))
	if status, _ := s.old.drain(http.MethodPost); status != http.StatusAccepted {
		s.t.Fatalf("drain: %d", status)
	}
	select {
	case <-held:
	case <-time.After(patience):
		s.t.Fatal("no move has come so far")
	}
}

// The steps of a move at which the new server needs Redis.
const fenceMark = ":internal:fence"

// commitMark is in the change of the directory that commits the first move of a connection.
func commitMark(t *testing.T) string {
	t.Helper()
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return "\r\n2 " + machine + "_"
}

// owners are the entries of connections in the directory that have not ended, and the servers that have one of them.
func (s *movingSite) owners() (entries []string, owners []*member) {
	ctx, client := s.t.Context(), s.redis.Client(s.t, goredis.Options{})
	keys, err := client.Keys(ctx, "*:connection:*").Result()
	if err != nil {
		return nil, nil
	}
	for _, key := range keys {
		text, err := client.Get(ctx, key).Result()
		if err != nil || text == "ended" {
			continue
		}
		entries = append(entries, text)
		_, id, _ := strings.Cut(key, ":connection:")
		for _, m := range []*member{s.old, s.next, s.third} {
			if instance := s.instanceOf(m); instance != "" {
				if owns, _ := s.network.Owns(ctx, cluster.Peer{Instance: instance, Address: m.peer}, id); owns {
					owners = append(owners, m)
				}
			}
		}
	}
	return entries, owners
}

// instanceOf asks a server who it is; "" if it does not answer.
func (s *movingSite) instanceOf(m *member) string {
	if m.command.ProcessState != nil {
		return ""
	}
	_, progress := m.drain(http.MethodGet)
	return progress.Instance
}

// settle waits until one server has the connection, and the directory says so.
func (s *movingSite) settle() (owner *member) {
	s.t.Helper()
	eventually(s.t, "one server has the connection, as the directory says", func() bool {
		entries, owners := s.owners()
		if len(owners) != 1 || len(entries) != 1 {
			return false
		}
		owner = owners[0]
		return strings.HasSuffix(entries[0], owner.peer)
	})
	return owner
}

// hears waits until the client hears what is said from now on, by the other and by itself.
func (s *movingSite) hears() {
	s.t.Helper()
	for _, who := range []string{"third", "moving"} {
		var said int
		s.client.note(func() { said = s.said + 1 })
		eventually(s.t, "the client hears "+who, func() bool { return s.client.hearsNow(who, said) })
	}
}

// expectOnce ends the talk and looks that nothing came twice or out of order, and unless some may be lost, that all came.
func (s *movingSite) expectOnce(all bool) {
	s.t.Helper()
	s.hears()
	s.silence()
	s.talk.Wait()
	eventually(s.t, "all calls have ended", func() (ended bool) {
		s.client.note(func() { ended = s.client.answers == s.called })
		return ended && (!all || s.client.hearsNow("third", s.said) && s.client.hearsNow("moving", s.said))
	})
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	for who, numbers := range s.client.heard {
		for at, number := range numbers[1:] {
			if number <= numbers[at] || all && number != numbers[at]+1 {
				s.t.Errorf("of %s, %d came after %d", who, number, numbers[at])
			}
		}
	}
	if all && (s.client.fails > 0 || s.client.joined != 1 || len(s.client.left) > 0) {
		s.t.Errorf("%d calls failed, %d sessions, ended by %v", s.client.fails, s.client.joined, s.client.left)
	}
	s.t.Logf("%d said by each, %d and %d heard, %d of %d calls failed, sessions ended by %v",
		s.said+1, len(s.client.heard["third"]), len(s.client.heard["moving"]), s.client.fails, s.called, s.client.left)
}

// expectNoTrace looks that all that is left in Redis has an end.
func (s *movingSite) expectNoTrace() {
	s.t.Helper()
	const longest = 5 * time.Minute
	client := s.redis.Client(s.t, goredis.Options{})
	keys, err := client.Keys(s.t.Context(), "*").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, key := range keys {
		life, err := client.PTTL(s.t.Context(), key).Result()
		if err != nil || life <= 0 && life != -2 || life > longest {
			s.t.Errorf("%s is left for %v, %v", key, life, err)
		}
	}
}

func TestANewOwnerThatDiesBeforeTheCommitLeavesTheConnectionWhereItIs(t *testing.T) {
	s := startMoving(t)
	s.move(commitMark(t))
	s.front.Retarget(hostOf(s.old.address))
	s.next.kill()
	if owner := s.settle(); owner != s.old {
		t.Error("it is another server's")
	}
	s.expectOnce(true)
	s.expectNoTrace()
}

var clearEnd = regexp.MustCompile("close frame|404 Not Found")

func TestAnOwnerThatDiesBeforeItGaveTheStateEndsTheSessionClearly(t *testing.T) {
	s := startMoving(t)
	s.move(fenceMark)
	s.old.kill()
	s.wire.Release(redistest.ToServer)
	if owner := s.settle(); owner != s.next {
		t.Error("the new connection is not at the new server")
	}
	s.expectOnce(false)
	// A close frame ends it, or the answer to the next socket for a client that has missed that.
	if s.client.joined != 2 || len(s.client.left) != 1 || !clearEnd.MatchString(s.client.left[0].Error()) {
		t.Errorf("%d sessions, ended by %v", s.client.joined, s.client.left)
	}
	s.expectNoTrace()
}

func TestAnOwnerThatDiesAfterItGaveTheStateIsNotMissed(t *testing.T) {
	s := startMoving(t)
	s.move(commitMark(t))
	s.old.kill()
	s.wire.Release(redistest.ToServer)
	if owner := s.settle(); owner != s.next {
		t.Error("it is another server's")
	}
	s.expectOnce(true)
	s.expectNoTrace()
}

func TestARedisThatRestartsAtTheCommitLeavesOneOwner(t *testing.T) {
	s := startMoving(t)
	s.move(commitMark(t))
	s.redis.Kill()
	s.redis.Start(t)
	s.wire.Release(redistest.ToServer)
	s.settle()
	s.expectOnce(false) // what is said while Redis is away reaches nobody
	if s.client.joined != 1 || len(s.client.left) > 0 {
		t.Errorf("%d sessions, ended by %v", s.client.joined, s.client.left)
	}
	for _, m := range []*member{s.old, s.next, s.third} {
		if s.instanceOf(m) == "" {
			t.Error("a server is gone")
		}
	}
	s.expectNoTrace()
}
