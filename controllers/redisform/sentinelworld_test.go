package redisform

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// sentinelWorld is a simulation of what Redis and Sentinels do by themselves, in ticks of a second, as far as the plans
// depend on it: replicas refuse to give data that they do not have from a primary, Sentinels know replicas by what they
// heard some seconds ago, choose the one with the highest offset among those that they may, and correct those who
// disagree.
type sentinelWorld struct {
	chronicle
	t         judge
	now       time.Time
	wanted    Wanted
	memory    Memory
	servers   []*simServer
	sentinels []*simSentinel
	runs      int
	lines     int
	// written counts the writes; acknowledged are those that a replica had too.
	written      int
	acknowledged []int
	// away: the operator does nothing.
	away bool
	last Outcome
	// emptied is what must never happen.
	emptied string
}

// judge is a test, be it one of many that a property has.
type judge interface {
	Helper()
	Fatalf(format string, arguments ...any)
}

type simServer struct {
	Member
	up       bool
	run      string
	primary  bool
	follows  string
	linked   bool
	priority int
	history  string
	data     []int
	disk     []int
	// cut: nobody reaches it. deaf: it gets no data, though it is reached.
	cut, deaf bool
	// fresh is for how many ticks it has followed.
	fresh int
	// rival is for how many ticks it has been a primary that nobody wants.
	rival int
	// unlinked is for how many ticks it has had no link, since it had one; -1 before that.
	unlinked int
}

type simSentinel struct {
	Member
	up       bool
	primary  string
	epoch    int64
	down     int
	replicas map[string]*simKnown
	others   map[string]bool
}

type simKnown struct {
	run      string
	priority int
	offset   int
	heard    int
}

const (
	simDownAfter   = 5
	simInfoPeriod  = 10
	simDemoteAfter = 10
	simFixAfter    = 30
	simLinkless    = 50
)

func newSentinelWorld(t judge, servers, sentinels int, persistent bool) *sentinelWorld {
	w := &sentinelWorld{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.wanted = Wanted{Form: Sentinel, Name: "main", Quorum: sentinels/2 + 1, Persistent: persistent}
	for i := range servers {
		w.addServer(i)
	}
	for i := range sentinels {
		w.addSentinel(i)
	}
	return w
}

func simMember(kind Kind, prefix string, ordinal, port int) Member {
	name := fmt.Sprintf("%s-%d", prefix, ordinal)
	return Member{Name: name, Kind: kind, Ordinal: ordinal, Host: name + ".demo", Port: port, Address: name, Wanted: true}
}

func (w *sentinelWorld) addServer(ordinal int) {
	server := &simServer{Member: simMember(ServerKind, "redis", ordinal, 6379)}
	w.servers = append(w.servers, server)
	w.start(server)
}

func (w *sentinelWorld) addSentinel(ordinal int) {
	sentinel := &simSentinel{Member: simMember(SentinelKind, "sentinel", ordinal, 26379), up: true}
	sentinel.forget()
	w.sentinels = append(w.sentinels, sentinel)
}

func (s *simSentinel) forget() {
	s.primary, s.epoch, s.down = "", 0, 0
	s.replicas, s.others = make(map[string]*simKnown), make(map[string]bool)
}

// start is what redis.conf says: a replica of nobody that is not electable, with what is on the volume.
func (w *sentinelWorld) start(s *simServer) {
	w.runs++
	s.up, s.run = true, "run"+strconv.Itoa(w.runs)
	s.primary, s.follows, s.linked, s.priority = false, "127.0.0.1:1", false, 0
	s.history, s.data, s.fresh, s.rival, s.unlinked = "new"+s.run, nil, 0, 0, -1
	if w.wanted.Persistent {
		s.data = slices.Clone(s.disk)
	}
}

func (w *sentinelWorld) kill(s *simServer) {
	if s.up {
		s.disk = slices.Clone(s.data)
	}
	s.up, s.linked, s.primary = false, false, false
}

func (w *sentinelWorld) at(endpoint string) *simServer {
	at := slices.IndexFunc(w.servers, func(s *simServer) bool { return s.Endpoint() == endpoint })
	if at < 0 {
		return nil
	}
	return w.servers[at]
}

func reachable(s *simServer) bool { return s != nil && s.up && !s.cut }

// tick lets a second pass: links, Sentinels, a write, and the operator.
func (w *sentinelWorld) tick() {
	w.ticks++
	w.now = w.now.Add(time.Second)
	w.replicate()
	w.watch()
	w.write()
	w.operate()
}

func (w *sentinelWorld) run(ticks int) {
	for range ticks {
		w.tick()
	}
}

func (w *sentinelWorld) replicate() {
	for _, s := range w.servers {
		if s.primary || !s.up {
			continue
		}
		from := w.at(s.follows)
		s.linked = !s.cut && !s.deaf && reachable(from) && from != s && (from.primary || from.linked)
		switch {
		case s.linked:
			s.data, s.history, s.unlinked = slices.Clone(from.data), from.history, 0
		case s.unlinked >= 0:
			s.unlinked++
		}
	}
}

func (w *sentinelWorld) watch() {
	for at, sentinel := range w.sentinels {
		if !sentinel.up || sentinel.primary == "" {
			continue
		}
		w.listen(at, sentinel)
		primary := w.at(sentinel.primary)
		if reachable(primary) && primary.primary {
			sentinel.down = 0
			w.correct(sentinel, primary)
		} else {
			sentinel.down++
		}
		wait := simDownAfter
		if reachable(primary) {
			wait += 2 * simInfoPeriod // it answers, but says that it is a replica
		}
		if sentinel.down >= wait {
			w.elect(sentinel, false)
		}
	}
}

// listen hears replicas through the primary and their INFO, and others through the primary.
func (w *sentinelWorld) listen(at int, sentinel *simSentinel) {
	primary := w.at(sentinel.primary)
	for _, s := range w.servers {
		if s.primary || !s.linked || s.follows != sentinel.primary || !reachable(primary) || sentinel.replicas[s.Endpoint()] != nil {
			continue
		}
		sentinel.replicas[s.Endpoint()] = &simKnown{heard: -simInfoPeriod}
	}
	for endpoint, known := range sentinel.replicas {
		if s := w.at(endpoint); reachable(s) && (w.ticks+at)%simInfoPeriod == 0 || known.run == "" || sentinel.down > 0 {
			if reachable(s) {
				*known = simKnown{run: s.run, priority: s.priority, offset: len(s.data), heard: w.ticks}
			}
		}
	}
	for _, other := range w.sentinels {
		if other == sentinel || !other.up || other.primary == "" {
			continue
		}
		if reachable(primary) && other.primary == sentinel.primary || sentinel.others[other.Host] {
			sentinel.others[other.Host] = true
			if other.epoch > sentinel.epoch {
				sentinel.primary, sentinel.epoch, sentinel.down = other.primary, other.epoch, 0
				sentinel.adopt(other.replicas)
			}
		}
	}
}

func (s *simSentinel) adopt(replicas map[string]*simKnown) {
	for endpoint := range replicas {
		if s.replicas[endpoint] == nil && endpoint != s.primary {
			s.replicas[endpoint] = &simKnown{}
		}
	}
	delete(s.replicas, s.primary)
}

// correct makes those replicas of the primary that are not.
func (w *sentinelWorld) correct(sentinel *simSentinel, primary *simServer) {
	for endpoint := range sentinel.replicas {
		s := w.at(endpoint)
		if !reachable(s) || s == primary {
			continue
		}
		if s.primary || s.follows != sentinel.primary {
			s.rival++
		} else {
			s.rival = 0
		}
		if s.primary && s.rival > simDemoteAfter || s.rival > simFixAfter {
			w.follow(s, primary)
		}
	}
}

func (w *sentinelWorld) follow(s, primary *simServer) {
	s.primary, s.follows, s.linked, s.rival = false, primary.Endpoint(), false, 0
}

// elect replaces the primary if a majority of the known Sentinels agree and there is a replica to choose.
func (w *sentinelWorld) elect(sentinel *simSentinel, asked bool) bool {
	agree := 1
	for _, other := range w.sentinels {
		if other != sentinel && other.up && sentinel.others[other.Host] && other.primary == sentinel.primary && other.down >= simDownAfter {
			agree++
		}
	}
	if !asked && (agree < w.wanted.Quorum || agree < (len(sentinel.others)+1)/2+1) {
		return false
	}
	best := ""
	for _, endpoint := range sortedKeys(sentinel.replicas) {
		known := sentinel.replicas[endpoint]
		if !w.electable(sentinel, endpoint) || known.priority == 0 {
			continue
		}
		if best == "" || known.offset > sentinel.replicas[best].offset {
			best = endpoint
		}
	}
	if best == "" {
		return false
	}
	chosen := w.at(best)
	w.promote(chosen)
	old := sentinel.primary
	sentinel.epoch++
	sentinel.primary, sentinel.down = best, 0
	sentinel.replicas[old] = &simKnown{}
	delete(sentinel.replicas, best)
	for endpoint := range sentinel.replicas {
		if s := w.at(endpoint); reachable(s) && !s.primary {
			w.follow(s, chosen)
		}
	}
	return true
}

func (w *sentinelWorld) electable(sentinel *simSentinel, endpoint string) bool {
	known := sentinel.replicas[endpoint]
	return known.run != "" && reachable(w.at(endpoint)) && w.ticks-known.heard <= simInfoPeriod*3 &&
		(sentinel.down == 0 || w.ticks-known.heard < simDownAfter) && !w.behind(sentinel, endpoint)
}

func (w *sentinelWorld) behind(sentinel *simSentinel, endpoint string) bool {
	replica := w.at(endpoint)
	return reachable(replica) && replica.unlinked > simLinkless+sentinel.down
}

// promote notes an empty one that becomes the primary while others have data that they could give.
func (w *sentinelWorld) promote(chosen *simServer) {
	if len(chosen.data) == 0 {
		for _, s := range w.servers {
			if len(s.data) > 0 && reachable(s) || w.wanted.Persistent && len(s.disk) > 0 {
				w.emptied = fmt.Sprintf("tick %d: %s is empty and became the primary, %s has data", w.ticks, chosen.Name, s.Name)
			}
		}
	}
	chosen.primary, chosen.follows, chosen.linked, chosen.unlinked = true, "", false, -1
	w.lines++
	chosen.history = "line" + strconv.Itoa(w.lines)
}

// accepted is the primary that most Sentinels name, if it is one.
func (w *sentinelWorld) accepted() *simServer {
	votes := make(map[string]int)
	for _, sentinel := range w.sentinels {
		if sentinel.up && sentinel.primary != "" {
			votes[sentinel.primary]++
		}
	}
	for endpoint, count := range votes {
		if s := w.at(endpoint); count > len(w.sentinels)/2 && reachable(s) && s.primary {
			return s
		}
	}
	return nil
}

// write is a client that asks the Sentinels and waits for one replica.
func (w *sentinelWorld) write() {
	primary := w.accepted()
	if primary == nil {
		return
	}
	w.written++
	primary.data = append(slices.Clone(primary.data), w.written)
	replicas := 0
	for _, s := range w.servers {
		if s.linked && reachable(s) && s.follows == primary.Endpoint() && s.history == primary.history {
			s.data = slices.Clone(primary.data)
			replicas++
		}
	}
	if replicas > 0 {
		w.acknowledged = append(w.acknowledged, w.written)
	}
}

// lost are the acknowledged writes that the accepted primary does not have.
func (w *sentinelWorld) lost() int {
	primary := w.accepted()
	if primary == nil {
		return len(w.acknowledged)
	}
	lost := 0
	for _, one := range w.acknowledged {
		if !slices.Contains(primary.data, one) {
			lost++
		}
	}
	return lost
}
