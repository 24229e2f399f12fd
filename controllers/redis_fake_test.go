package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers"
	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/server/certificatetest"
)

// fakeServers are Redis servers and Sentinels without processes: they do what they are told at once. One whose pod has another
// address has started again.
type fakeServers struct {
	mu    sync.Mutex
	known map[string]*fakeServer
	// steps are all that were done, in their order.
	steps []redisform.Step
}

// fakeServer is a server or a Sentinel.
type fakeServer struct {
	address  string
	primary  bool
	follows  string
	priority int
	settings map[string]string
	// passwords are digests by users.
	passwords                      map[string][]string
	internal, certificate, watched string
	// id, met, slots and of are those of a node of a Cluster: of is the ID of its primary.
	id, of string
	met    bool
	slots  []redisform.SlotRange
	quorum int
}

// fakeHands are those of one reconcile.
type fakeHands struct {
	*fakeServers
	access controllers.RedisAccess
}

func (f *fakeServers) hands(access controllers.RedisAccess) controllers.RedisHands {
	return fakeHands{f, access}
}

func (h fakeHands) find(member redisform.Member) *fakeServer {
	found := h.known[member.Name]
	if found == nil || found.address != member.Address {
		found = &fakeServer{address: member.Address, follows: "127.0.0.1:1", settings: map[string]string{}, passwords: map[string][]string{}}
		for user, passwords := range h.access.Users {
			found.passwords[user] = digests(passwords)
		}
		found.id = redisform.SentinelID(member.Name + member.Address)
		found.internal = redisform.Digest(h.access.Internal.Passwords[0])
		if h.known == nil {
			h.known = map[string]*fakeServer{}
		}
		h.known[member.Name] = found
	}
	return found
}

// refuses tells whether a server takes none of the operator's passwords.
func (h fakeHands) refuses(server *fakeServer) bool {
	return !slices.ContainsFunc(digests(h.access.Operator.Passwords), func(digest string) bool {
		return slices.Contains(server.passwords[h.access.Operator.User], digest)
	})
}

func digests(passwords []string) []string {
	var list []string
	for _, password := range passwords {
		list = append(list, redisform.Digest(password))
	}
	return list
}

// Observe implements controllers.RedisHands. Facts share no map with the servers: a reconcile reads them without the lock, while
// tests change what servers know.
func (h fakeHands) Observe(_ context.Context, wanted redisform.Wanted, members []redisform.Member) redisform.Facts {
	h.mu.Lock()
	defer h.mu.Unlock()
	facts := redisform.Facts{}
	for _, member := range members {
		answer := redisform.Answer{Problem: "it has no address"}
		server := &fakeServer{}
		if member.Address != "" {
			before := h.known[member.Name]
			if server = h.find(member); server != before { // it has read its certificate at its start
				server.certificate = wanted.Certificate
			}
			answer = redisform.Answer{
				Reached: !h.refuses(server), Refused: h.refuses(server), RunID: server.address, Version: "7.0.15", Passwords: maps.Clone(server.passwords),
				InternalPassword: server.internal, Certificate: server.certificate,
			}
		}
		if member.Kind == redisform.SentinelKind {
			facts.Sentinels = append(facts.Sentinels, redisform.Observer{Member: member, Answer: answer, ID: redisform.SentinelID(member.Host)})
			continue
		}
		if wanted.Form == redisform.Cluster {
			server.primary = server.of == ""
		}
		facts.Servers = append(facts.Servers, redisform.Server{
			Member: member, Answer: answer, Primary: server.primary, Follows: server.follows, LinkUp: !server.primary, History: "one",
			Offset: 100, Keys: 3, Priority: server.priority, Settings: maps.Clone(server.settings), UsedMemory: 1 << 20,
		})
	}
	if wanted.Form == redisform.Cluster {
		h.join(&facts)
	}
	for at := range facts.Sentinels {
		h.watch(wanted.Name, &facts, &facts.Sentinels[at])
	}
	return facts
}

// join adds what nodes of a Cluster know: all who have met know each other.
func (h fakeHands) join(facts *redisform.Facts) {
	for at := range facts.Servers {
		server := &facts.Servers[at]
		if !server.Reached {
			continue
		}
		self := h.known[server.Name]
		server.Node = &redisform.Node{ID: self.id, Healthy: self.met, Epoch: 1}
		server.Keys = 0
		for _, other := range facts.Servers {
			peer := h.known[other.Name]
			if other.Reached && (peer == self || peer.met && self.met) {
				server.Node.Table = append(server.Node.Table, redisform.Peer{
					ID: peer.id, Host: other.Host, IP: other.IP, Port: other.Port, Primary: peer.of, Connected: true, Epoch: 1, Slots: peer.slots,
				})
			}
		}
	}
}

// watch adds what a Sentinel knows.
func (h fakeHands) watch(name string, facts *redisform.Facts, sentinel *redisform.Observer) {
	server := h.known[sentinel.Name]
	if !sentinel.Reached || server.watched == "" {
		return
	}
	monitor := redisform.Monitor{
		Name: name, Primary: server.watched, Quorum: server.quorum,
		DownAfter: redisform.DefaultDownAfter, FailoverTimeout: redisform.DefaultFailoverTimeout,
	}
	for _, replica := range facts.Servers {
		if replica.Reached && !replica.Primary {
			monitor.Replicas = append(monitor.Replicas, redisform.KnownReplica{
				Endpoint: replica.Endpoint(), RunID: replica.RunID, Priority: replica.Priority, Electable: replica.LinkUp,
			})
		}
	}
	for _, other := range facts.Sentinels {
		if other.Reached && other.Name != sentinel.Name {
			monitor.Others = append(monitor.Others, redisform.KnownSentinel{ID: other.ID, Endpoint: other.Endpoint()})
		}
	}
	sentinel.Monitors = []redisform.Monitor{monitor}
}

// Carry implements controllers.RedisHands.
func (h fakeHands) Carry(_ context.Context, facts redisform.Facts, wanted redisform.Wanted, step redisform.Step) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.steps = append(h.steps, step)
	server, endpoint := h.known[step.Member], ""
	for _, one := range facts.Servers {
		if one.Name == step.Target {
			endpoint = one.Endpoint()
		}
	}
	switch step.Action {
	case redisform.Promote:
		server.primary, server.follows = true, ""
	case redisform.Follow:
		server.primary, server.follows = false, endpoint
	case redisform.Elect:
		server.priority, _ = strconv.Atoi(step.Value)
	case redisform.Watch:
		server.watched, server.quorum = endpoint, step.Quorum
	case redisform.Switch:
		return h.handOver(facts, server)
	case redisform.Meet:
		server.met, h.known[step.Target].met = true, true
	case redisform.Assign:
		server.slots = append(server.slots, step.Slots)
	case redisform.Replicate:
		server.of = step.Target
	case redisform.TakeOver:
		for _, primary := range h.known {
			if primary.id == server.of {
				server.slots, primary.slots, primary.of, server.of = primary.slots, nil, server.id, ""
			}
		}
	case redisform.Set:
		server.settings[step.Key] = step.Value
	case redisform.Admit, redisform.Dismiss:
		// Like the real hands: what the plan wants is only what it is compared with.
		server.passwords[step.User] = nil
		for _, password := range h.access.Users[step.User] {
			server.passwords[step.User] = append(server.passwords[step.User], redisform.Digest(password))
		}
	case redisform.Identify:
		server.internal = wanted.InternalPassword
	case redisform.Certify:
		server.certificate = wanted.Certificate
	}
	return nil
}

// handOver makes the first electable replica the primary, and tells all Sentinels.
func (h fakeHands) handOver(facts redisform.Facts, primary *fakeServer) error {
	at := slices.IndexFunc(facts.Servers, func(s redisform.Server) bool { return s.Reached && !s.Primary && s.Priority > 0 && !s.Ending })
	if at < 0 {
		return errors.New("there is no replica to choose")
	}
	successor := facts.Servers[at]
	primary.primary, primary.follows = false, successor.Endpoint()
	h.known[successor.Name].primary = true
	for _, sentinel := range facts.Sentinels {
		h.known[sentinel.Name].watched = successor.Endpoint()
	}
	return nil
}

// redisCertificate makes the Secret with a certificate of an authority of its own.
func (o *operator) redisCertificate(secret string) {
	o.t.Helper()
	own := certificatetest.NewAuthority(o.t).PEM
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: secret},
		Data:       map[string][]byte{"tls.crt": own, "tls.key": []byte("no pod reads it"), "ca.crt": own},
	}
	if err := o.admin.Create(o.t.Context(), object); apierrors.IsAlreadyExists(err) {
		err = o.admin.Update(o.t.Context(), object)
		if err != nil {
			o.t.Fatal(err)
		}
	} else if err != nil {
		o.t.Fatal(err)
	}
}

func (f *fakeServers) setting(server, name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[server].settings[name]
}

// runSets does once what the controller of StatefulSets and the kubelet do with those of Redis: pods come, with a new address
// each, and go. It returns the number of pods that are made now.
func (o *operator) runSets(cluster string) (made int) {
	o.t.Helper()
	sets := &appsv1.StatefulSetList{}
	if err := o.admin.List(o.t.Context(), sets, client.InNamespace(o.namespace), client.MatchingLabels{v1alpha1.LabelInstance: cluster}); err != nil {
		o.t.Fatal(err)
	}
	for at := range sets.Items {
		set := &sets.Items[at]
		replicas := ptr.Deref(set.Spec.Replicas, 1)
		revision := fmt.Sprintf("%s-%x", set.Name, hashOf(set.Spec.Template.String()))
		for index := range replicas {
			if !o.has(&corev1.Pod{}, fmt.Sprintf("%s-%d", set.Name, index)) {
				o.runPod(set, index, revision)
				made++
			}
		}
		for index := replicas; o.has(&corev1.Pod{}, fmt.Sprintf("%s-%d", set.Name, index)); index++ {
			_ = o.admin.Delete(o.t.Context(), get(o, &corev1.Pod{}, fmt.Sprintf("%s-%d", set.Name, index)), client.GracePeriodSeconds(0))
		}
		set.Status = appsv1.StatefulSetStatus{
			ObservedGeneration: set.Generation, Replicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas, UpdateRevision: revision,
		}
		_ = o.admin.Status().Update(o.t.Context(), set) // it may have changed in between: the caller does it again
	}
	return made
}

func hashOf(text string) uint64 {
	sum := uint64(14695981039346656037)
	for _, char := range []byte(text) {
		sum = (sum ^ uint64(char)) * 1099511628211
	}
	return sum
}

func (o *operator) runPod(set *appsv1.StatefulSet, index int32, revision string) {
	o.t.Helper()
	labels := map[string]string{appsv1.ControllerRevisionHashLabelKey: revision}
	for label, value := range set.Spec.Template.Labels {
		labels[label] = value
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: fmt.Sprintf("%s-%d", set.Name, index), Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "redis", Image: set.Spec.Template.Spec.Containers[0].Image}}},
	}
	if err := o.admin.Create(o.t.Context(), pod); err != nil {
		o.t.Fatal(err)
	}
	o.addresses++
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.1.%d.%d", o.addresses/250, o.addresses%250+1),
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	if err := o.admin.Status().Update(o.t.Context(), pod); err != nil {
		o.t.Fatal(err)
	}
}

// redisReady plays Kubernetes until a condition is there.
func (o *operator) redisReady(name string, check func(*v1alpha1.ChatCluster) error) {
	o.t.Helper()
	o.eventually(func() error {
		o.runSets(name)
		if o.has(&appsv1.Deployment{}, name+"-hub") {
			o.rollOutHub(name)
		}
		return check(get(o, &v1alpha1.ChatCluster{}, name))
	})
}
