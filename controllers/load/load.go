// Package load sees what hub servers have to do: it reads their metrics over HTTP.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/chatcluster/chatcluster/controllers/autoscale"
	"github.com/chatcluster/chatcluster/controllers/children"
)

// The metrics that are looked at.
const (
	connectionsMetric = "signalr_server_active_connections"
	sentMetric        = "chatcluster_sent_bytes_total"
)

const (
	// timeout bounds one read: a hub server that answers later is not seen.
	timeout = 3 * time.Second
	// maximumSize is far more than any hub server has.
	maximumSize = 4 << 20
	metricsPath = "metrics"
)

// Fetch opens the metrics of a pod. Its reader is closed.
type Fetch func(ctx context.Context, pod *corev1.Pod) (io.ReadCloser, error)

// NewClient returns a client for Direct. It goes straight to the pods, since no proxy has a way to them, and nowhere else: hub servers may
// be anybody's programs, and must not send the operator to where they cannot go themselves.
func NewClient() *http.Client {
	transport := &http.Transport{IdleConnTimeout: time.Minute, MaxIdleConns: 100}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Direct fetches from the address of the pod: for an operator that runs in the same network.
func Direct(client *http.Client) Fetch {
	return func(ctx context.Context, pod *corev1.Pod) (io.ReadCloser, error) {
		if pod.Status.PodIP == "" {
			return nil, errors.New("the pod has no address yet")
		}
		url := "http://" + net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(children.MetricsPort)) + "/" + metricsPath
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return nil, fmt.Errorf("make a request: %w", err)
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			_ = response.Body.Close()
			return nil, fmt.Errorf("%s answered %s", url, response.Status)
		}
		return response.Body, nil
	}
}

// ThroughServer fetches through the API server: for an operator that runs outside of the Kubernetes cluster.
func ThroughServer(client rest.Interface) Fetch {
	return func(ctx context.Context, pod *corev1.Pod) (io.ReadCloser, error) {
		return client.Get().Namespace(pod.Namespace).Resource("pods").
			Name(pod.Name + ":" + strconv.Itoa(children.MetricsPort)).
			SubResource("proxy").Suffix(metricsPath).Stream(ctx)
	}
}

// Observer sees the hub servers of all ChatClusters. It may be used by many at a time.
type Observer struct {
	fetch Fetch
	// mu guards last. It is not held while metrics are read.
	mu sync.Mutex
	// last has what was seen last of each ChatCluster's pods.
	last map[types.NamespacedName]look
}

// look is what was seen of the pods of a ChatCluster at one time.
type look struct {
	at time.Time
	// pods are those that were asked.
	pods map[asked]bool
	// samples are of those that answered, for the rate of what they send.
	samples map[types.UID]sample
	loads   map[string]autoscale.Load
}

// asked is a pod as it was when it was asked. One that has become ready may answer now, and the clients of one that ends move to others.
type asked struct {
	uid           types.UID
	ready, ending bool
}

type sample struct {
	at          time.Time
	connections int64
	sent        float64
	// rate is what was sent in a second up to then; nil if it was not seen before.
	rate *float64
}

// NewObserver returns an observer that has seen nothing.
func NewObserver(fetch Fetch) *Observer {
	return &Observer{fetch: fetch, last: map[types.NamespacedName]look{}}
}

// Observe reads the metrics of all pods at once and returns the loads of those that answered, by the names of the pods. What was seen
// of the same pods less than every ago is returned again, with its age: whoever looks because of what was seen last, as at a status
// that has it, must not see something else each time.
func (o *Observer) Observe(
	ctx context.Context, cluster types.NamespacedName, pods []*corev1.Pod, now time.Time, every time.Duration,
) (loads map[string]autoscale.Load, age time.Duration) {
	states := statesOf(pods)
	if last := o.lastOf(cluster); now.Sub(last.at) < every && maps.Equal(last.pods, states) {
		return last.loads, now.Sub(last.at)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	samples := make([]*sample, len(pods))
	var reading sync.WaitGroup
	for at, pod := range pods {
		reading.Go(func() { samples[at] = o.read(ctx, pod) })
	}
	reading.Wait()
	return o.remember(cluster, look{at: now, pods: states}, pods, samples), 0
}

func statesOf(pods []*corev1.Pod) map[asked]bool {
	states := make(map[asked]bool, len(pods))
	for _, pod := range pods {
		states[asked{pod.UID, Ready(pod), pod.DeletionTimestamp != nil}] = true
	}
	return states
}

// Ready tells whether a pod takes clients.
func Ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
		return condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	})
}

func (o *Observer) lastOf(cluster types.NamespacedName) look {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last[cluster]
}

// read returns nil for a pod that did not answer in time, or with something else.
func (o *Observer) read(ctx context.Context, pod *corev1.Pod) *sample {
	body, err := o.fetch(ctx, pod)
	if err != nil {
		return nil
	}
	defer func() { _ = body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(body, maximumSize))
	if err != nil || families[connectionsMetric] == nil {
		return nil
	}
	return &sample{at: time.Now(), connections: int64(sum(families[connectionsMetric])), sent: sum(families[sentMetric])}
}

func sum(family *dto.MetricFamily) float64 {
	total := 0.0
	for _, metric := range family.GetMetric() {
		total += metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + metric.GetUntyped().GetValue()
	}
	return total
}

func (o *Observer) remember(
	cluster types.NamespacedName, now look, pods []*corev1.Pod, samples []*sample,
) map[string]autoscale.Load {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.last[cluster].samples
	now.samples, now.loads = map[types.UID]sample{}, map[string]autoscale.Load{}
	for at, pod := range pods {
		if samples[at] == nil {
			continue
		}
		seen := *samples[at]
		if last, known := before[pod.UID]; known {
			seen = seen.after(last)
		}
		now.samples[pod.UID] = seen
		now.loads[pod.Name] = autoscale.Load{Connections: seen.connections, BytesPerSecond: seen.rate}
	}
	o.last[cluster] = now
	return now.loads
}

// after adds the rate since the last sample. It is not known if the process was started again in between. In less than a second too
// little is sent to tell a rate by: then it is that of the last sample, and the next one is held against that too.
func (s sample) after(last sample) sample {
	passed := s.at.Sub(last.at).Seconds()
	switch {
	case s.sent < last.sent:
	case passed < 1:
		s.at, s.sent, s.rate = last.at, last.sent, last.rate
	default:
		perSecond := (s.sent - last.sent) / passed
		s.rate = &perSecond
	}
	return s
}

// Forget drops what was seen of a ChatCluster that is gone.
func (o *Observer) Forget(cluster types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.last, cluster)
}

// Known returns how many ChatClusters are remembered.
func (o *Observer) Known() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.last)
}
