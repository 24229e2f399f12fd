package controllers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers"
	"github.com/chatcluster/chatcluster/controllers/sampletest"
)

// patience is how long a test waits for what must come. It is generous: machines of CI are busy.
const patience = 30 * time.Second

// plane is a kube-apiserver with its etcd. Nothing else runs in it: no controller makes pods of a Deployment.
type plane struct {
	config *rest.Config
	scheme *runtime.Scheme
	// admin may do everything and reads without a cache.
	admin client.WithWatch
	// operator is the configuration of a user who may do what config/rbac/role.yaml says.
	operator *rest.Config
	calls    *calls
}

// TestMain starts the control plane once for all tests that need it.
func TestMain(m *testing.M) {
	if os.Getenv("OPERATOR_LOG") != "" {
		log.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil)))
	} else {
		log.SetLogger(logr.Discard())
	}
	code := m.Run()
	if shared.stop != nil {
		shared.stop()
	}
	os.Exit(code)
}

var shared struct {
	once  sync.Once
	plane *plane
	stop  func()
	err   error
}

// useControlPlane returns the control plane, or skips the test where its commands are not there.
func useControlPlane(t *testing.T) *plane {
	t.Helper()
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	if _, err := os.Stat(filepath.Join(folder, "kube-apiserver")); folder == "" || err != nil {
		t.Skip("kube-apiserver and etcd are not in KUBEBUILDER_ASSETS (make envtest): the operator is not tested on an API server")
	}
	shared.once.Do(func() { shared.plane, shared.stop, shared.err = startPlane(folder) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.plane
}

func startPlane(folder string) (*plane, func(), error) {
	environment := &envtest.Environment{
		BinaryAssetsDirectory: folder,
		CRDDirectoryPaths:     []string{sampletest.CRDFolder()},
		ErrorIfCRDPathMissing: true,
		// Machines of CI are busy: by default it is given up after 20 s.
		ControlPlaneStartTimeout: 3 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	// A test may make a thousand ChatClusters at once: it must not be slowed down for it, and each has two Services with addresses,
	// of which there would be 254.
	environment.ControlPlane.GetAPIServer().Configure().
		Set("service-cluster-ip-range", "10.0.0.0/16").
		Set("max-requests-inflight", "3000").Set("max-mutating-requests-inflight", "1000")
	admin, err := environment.Start()
	if err != nil {
		return nil, nil, fmt.Errorf("start a control plane: %w", err)
	}
	stop := func() { _ = environment.Stop() }
	p := &plane{config: rest.CopyConfig(admin), calls: &calls{}}
	p.config.QPS = -1
	if p.scheme, err = controllers.NewScheme(); err != nil {
		return nil, stop, err
	}
	if p.admin, err = client.NewWithWatch(p.config, client.Options{Scheme: p.scheme}); err != nil {
		return nil, stop, err
	}
	user, err := environment.AddUser(envtest.User{Name: "operator"}, rest.CopyConfig(admin))
	if err != nil {
		return nil, stop, err
	}
	p.operator = rest.CopyConfig(user.Config())
	p.operator.QPS = -1
	p.operator.Wrap(p.calls.count)
	return p, stop, p.grant()
}

// grant lets the operator do what its role says, and no more.
func (p *plane) grant() error {
	role, err := readRole()
	if err != nil {
		return err
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: "operator", APIGroup: rbacv1.GroupName}},
	}
	return errors.Join(p.admin.Create(context.Background(), role), p.admin.Create(context.Background(), binding))
}

func readRole() (*rbacv1.ClusterRole, error) {
	content, err := os.ReadFile(filepath.Join(sampletest.CRDFolder(), "..", "..", "rbac", "role.yaml"))
	if err != nil {
		return nil, err
	}
	role := &rbacv1.ClusterRole{}
	return role, yaml.Unmarshal(content, role)
}

// calls counts what the operator asked the API server for.
type calls struct {
	mu      sync.Mutex
	counted map[call]int
	// running are those that have no answer yet, but for lists and watches.
	running int
}

// call is what RBAC looks at.
type call struct{ verb, group, resource string }

func (c *calls) count(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if one, ok := callOf(request); ok {
			c.begin(one)
			defer c.end(one)
		}
		return next.RoundTrip(request)
	})
}

func (c *calls) begin(one call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counted == nil {
		c.counted = map[call]int{}
	}
	c.counted[one]++
	if !one.follows() {
		c.running++
	}
}

func (c *calls) end(one call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !one.follows() {
		c.running--
	}
}

// follows tells whether a call is for the operator's cache.
func (c call) follows() bool { return c.verb == "list" || c.verb == "watch" }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// callOf reads the path of a request for resources: /api/v1/... or /apis/group/version/..., then namespaces/name if there is
// one, then resource/name/subresource.
func callOf(request *http.Request) (call, bool) {
	parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	one := call{}
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		one.group, parts = parts[1], parts[3:]
	default:
		return one, false // discovery
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	one.resource = parts[0]
	if len(parts) > 2 {
		one.resource += "/" + parts[2]
	}
	one.verb = map[string]string{
		http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete", http.MethodGet: "get",
	}[request.Method]
	if request.Method == http.MethodGet && len(parts) == 1 {
		one.verb = "list"
		if request.URL.Query().Get("watch") != "" {
			one.verb = "watch"
		}
	}
	return one, true
}

func (c *calls) all() map[call]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counted)
}

// idle tells whether all calls but those for the cache have been answered.
func (c *calls) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running == 0
}

// writes is how often the operator changed anything but events.
func (c *calls) writes() int {
	total := 0
	for one, count := range c.all() {
		if slices.Contains([]string{"create", "update", "patch", "delete"}, one.verb) && one.group != "events.k8s.io" {
			total += count
		}
	}
	return total
}

// reads is how often the operator read what is not in its cache.
func (c *calls) reads() int {
	total := 0
	for one, count := range c.all() {
		if one.verb == "get" {
			total += count
		}
	}
	return total
}

// fakeHubs are the metrics of hub servers that are not there, by the names of their pods.
type fakeHubs struct {
	mu          sync.Mutex
	connections map[string]int
	// leaving are those that have a client fewer each time they are read, and how often they were.
	leaving map[string]int
}

func (f *fakeHubs) set(pod string, connections int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.connections == nil {
		f.connections = map[string]int{}
	}
	f.connections[pod] = connections
}

// leave lets a client of a hub server go each time that its metrics are read.
func (f *fakeHubs) leave(pod string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaving = map[string]int{pod: 0}
}

// readWhileLeaving is how often the metrics of such a hub server were read since.
func (f *fakeHubs) readWhileLeaving(pod string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.leaving[pod]
}

func (f *fakeHubs) fetch(_ context.Context, pod *corev1.Pod) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	connections, seen := f.connections[pod.Name]
	if !seen {
		return nil, errors.New("no such hub server")
	}
	if _, leaves := f.leaving[pod.Name]; leaves {
		f.leaving[pod.Name]++
		f.connections[pod.Name]--
	}
	text := fmt.Sprintf("# TYPE signalr_server_active_connections gauge\nsignalr_server_active_connections %d\n", connections)
	return io.NopCloser(strings.NewReader(text)), nil
}

// fakeRedis is a Redis that is not there.
type fakeRedis struct {
	mu sync.Mutex
	// told are the passwords that it was told last, by the name of its ChatCluster.
	told map[string][]string
	// shows are the digests of certificates, by the name of the ChatCluster.
	shows map[string]string
	// looks is how often the certificate was looked at.
	looks int
	away  bool
}

func (f *fakeRedis) setAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

// TellPasswords implements controllers.RedisTeller. A server that was told no passwords yet takes any.
func (f *fakeRedis) TellPasswords(_ context.Context, cluster *v1alpha1.ChatCluster, _ *tls.Config, logins, passwords []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.told[cluster.Name]
	good := known == nil || slices.ContainsFunc(logins, func(login string) bool { return slices.Contains(known, login) })
	if f.away || !good {
		return errors.New("connection refused")
	}
	if f.told == nil {
		f.told = map[string][]string{}
	}
	f.told[cluster.Name] = passwords
	return nil
}

// Certify implements controllers.RedisTeller: the server shows what was in its files when it was last told to read them.
func (f *fakeRedis) Certify(
	_ context.Context, cluster *v1alpha1.ChatCluster, secure *tls.Config, logins []string, digest string,
) (shown bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	if want := cluster.Name + "-redis." + cluster.Namespace + ".svc.cluster.local"; secure.ServerName != want || secure.VerifyConnection == nil {
		return false, fmt.Errorf("%s cannot be verified, want %s", secure.ServerName, want)
	}
	if len(logins) == 0 || f.away {
		return false, errors.New("connection refused")
	}
	if f.shows == nil {
		f.shows = map[string]string{}
	}
	shown = f.shows[cluster.Name] == digest
	f.shows[cluster.Name] = digest
	return shown, nil
}

// restarts has the server know those passwords only that are in its file.
func (f *fakeRedis) restarts(cluster string, passwords ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told[cluster] = passwords
}

func (f *fakeRedis) knows(cluster string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told[cluster]
}

// clock is a time that a test moves on.
type clock struct {
	mu    sync.Mutex
	moved time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.moved)
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += by
}

// looks are what the operator saw of ChatClusters when it began to look at them last.
type looks struct {
	mu sync.Mutex
	// marks are the values of markAnnotation, by the names of the ChatClusters; markOfNone for one that is not there.
	marks map[types.NamespacedName]string
	made  int
}

const (
	// markAnnotation has the operator look at a ChatCluster again, and tells that look from those before.
	markAnnotation = "mark-of-a-test"
	markOfNone     = "none"
)

// next returns a mark that no ChatCluster has had.
func (l *looks) next() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made++
	return strconv.Itoa(l.made)
}

func (l *looks) last(cluster types.NamespacedName) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks[cluster]
}

func (l *looks) note(cluster types.NamespacedName, mark string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.marks == nil {
		l.marks = map[types.NamespacedName]string{}
	}
	l.marks[cluster] = mark
}

// newClient makes the operator's client, which notes when a look begins: at the start of each the ChatCluster is read.
func (l *looks) newClient(config *rest.Config, options client.Options) (client.Client, error) {
	made, err := client.New(config, options)
	return notingClient{made, l}, err
}

type notingClient struct {
	client.Client
	looks *looks
}

// Get implements client.Client.
func (c notingClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := c.Client.Get(ctx, key, object, options...)
	if _, is := object.(*v1alpha1.ChatCluster); is && err == nil {
		c.looks.note(key, object.GetAnnotations()[markAnnotation])
	} else if is && apierrors.IsNotFound(err) {
		c.looks.note(key, markOfNone)
	}
	return err
}

// operator is an operator that runs for one test in a namespace of its own.
type operator struct {
	*plane
	t         *testing.T
	namespace string
	hubs      *fakeHubs
	redis     *fakeRedis
	servers   *fakeServers
	// addresses is how many pods of Redis had one.
	addresses int
	clock     *clock
	looks     *looks
	cancel    context.CancelFunc
	ended     chan error
}

// runOperator makes a namespace and runs an operator that looks after it.
func runOperator(t *testing.T) *operator {
	t.Helper()
	p := useControlPlane(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := p.admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	o := &operator{
		plane: p, t: t, namespace: namespace.Name,
		hubs: &fakeHubs{}, redis: &fakeRedis{}, servers: &fakeServers{}, clock: &clock{}, looks: &looks{},
	}
	o.start("hubserver:1")
	t.Cleanup(func() { o.stop() })
	return o
}

func (o *operator) start(hubImage string) {
	o.t.Helper()
	options := controllers.Options{
		Defaults:    controllers.Defaults{HubImage: hubImage, RedisImage: "redis:7.0", Namespace: "chatcluster-system", ClusterDomain: "cluster.local"},
		Namespaces:  []string{o.namespace},
		Fetch:       o.hubs.fetch,
		Redis:       o.redis,
		Hands:       o.servers.hands,
		Now:         o.clock.now,
		AskForKinds: 200 * time.Millisecond,
		Registry:    prometheus.NewRegistry(),
	}
	mgr, err := ctrl.NewManager(o.operator, controllers.ManagerOptions(options, manager.Options{
		Scheme:     o.scheme,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
		NewClient:  o.looks.newClient,
	}))
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := controllers.Setup(ctx, mgr, options); err != nil {
		cancel()
		o.t.Fatal(err)
	}
	o.cancel, o.ended = cancel, make(chan error, 1)
	go func() { o.ended <- mgr.Start(ctx) }()
}

func (o *operator) stop() {
	o.t.Helper()
	if o.cancel == nil {
		return
	}
	o.cancel()
	o.cancel = nil
	if err := <-o.ended; err != nil {
		o.t.Errorf("the operator ended with %v", err)
	}
}
