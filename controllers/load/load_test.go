package load_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/chatcluster/chatcluster/controllers/autoscale"
	"github.com/chatcluster/chatcluster/controllers/load"
)

const page = `# HELP signalr_server_active_connections Number of connections.
# TYPE signalr_server_active_connections gauge
signalr_server_active_connections{signalr_transport="web_sockets"} 40
signalr_server_active_connections{signalr_transport="long_polling"} 2
# TYPE chatcluster_sent_bytes_total counter
chatcluster_sent_bytes_total{signalr_transport="web_sockets"} %d
chatcluster_sent_bytes_total{signalr_transport="long_polling"} 0
`

// observe reads the metrics however young those are that were read last.
func observe(t *testing.T, observer *load.Observer, key types.NamespacedName, pods ...*corev1.Pod) map[string]autoscale.Load {
	t.Helper()
	loads, age := observer.Observe(t.Context(), key, pods, time.Now(), 0)
	if age != 0 {
		t.Errorf("what was seen is %s old", age)
	}
	return loads
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name)}}
}

func TestLoadsAreReadFromTheMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 1000
		observer := load.NewObserver(func(_ context.Context, pod *corev1.Pod) (io.ReadCloser, error) {
			switch pod.Name {
			case "gone":
				return nil, errors.New("connection refused")
			case "strange":
				return io.NopCloser(strings.NewReader("<html>")), nil
			case "other":
				return io.NopCloser(strings.NewReader("up 1\n")), nil
			}
			return io.NopCloser(strings.NewReader(fmt.Sprintf(page, sent))), nil
		})
		key := types.NamespacedName{Name: "demo"}
		pods := []*corev1.Pod{pod("good"), pod("gone"), pod("strange"), pod("other")}
		loads := observe(t, observer, key, pods...)
		if len(loads) != 1 || loads["good"].Connections != 42 || loads["good"].BytesPerSecond != nil {
			t.Fatalf("first %+v", loads)
		}
		time.Sleep(10 * time.Second)
		sent = 6000
		if rate := observe(t, observer, key, pods...)["good"].BytesPerSecond; rate == nil || *rate != 500 {
			t.Errorf("the rate is %v", rate)
		}
		time.Sleep(10 * time.Second)
		sent = 10 // the process was started again
		if rate := observe(t, observer, key, pods...)["good"].BytesPerSecond; rate != nil {
			t.Errorf("after a restart the rate is %v", *rate)
		}
		observer.Forget(key)
		if observer.Known() != 0 {
			t.Error("a ChatCluster that is gone is remembered")
		}
	})
}

func TestARateOutlivesALookThatComesTooSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		observer := load.NewObserver(func(context.Context, *corev1.Pod) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(fmt.Sprintf(page, sent))), nil
		})
		for _, look := range []struct {
			after time.Duration
			sent  int
			want  float64 // -1 is unknown
		}{
			{0, 1000, -1},
			{500 * time.Millisecond, 2000, -1},
			{500 * time.Millisecond, 3000, 2000},
			{100 * time.Millisecond, 3900, 2000},
			{100 * time.Millisecond, 3900, 2000},
			{800 * time.Millisecond, 4000, 1000},
			{100 * time.Millisecond, 5, -1}, // the process was started again
			{time.Second, 105, 100},
		} {
			time.Sleep(look.after)
			sent = look.sent
			rate := -1.0
			if seen := observe(t, observer, types.NamespacedName{}, pod("a"))["a"].BytesPerSecond; seen != nil {
				rate = *seen
			}
			if rate != look.want {
				t.Errorf("at %d bytes the rate is %v, want %v", look.sent, rate, look.want)
			}
		}
	})
}

// The operator looks at a ChatCluster at each change of its status. What it sees must not change that each time.
func TestMetricsAreNotReadAgainBeforeTheirTime(t *testing.T) {
	const every = 5 * time.Second
	start, now := time.Unix(1_800_000_000, 0), &metav1.Time{}
	for name, c := range map[string]struct {
		after time.Duration
		pods  []*corev1.Pod
		again bool
	}{
		"at once":                       {0, []*corev1.Pod{pod("a"), pod("b")}, false},
		"in another order":              {0, []*corev1.Pod{pod("b"), pod("a")}, false},
		"just before":                   {every - 1, []*corev1.Pod{pod("a"), pod("b")}, false},
		"when it is time":               {every, []*corev1.Pod{pod("a"), pod("b")}, true},
		"when one has come":             {0, []*corev1.Pod{pod("a"), pod("b"), pod("c")}, true},
		"when one is gone":              {0, []*corev1.Pod{pod("a")}, true},
		"when one has become ready":     {0, []*corev1.Pod{pod("a"), readyPod("b")}, true},
		"when one has been told to end": {0, []*corev1.Pod{pod("a"), endingPod("b", now)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var reads atomic.Int64
			observer := load.NewObserver(func(context.Context, *corev1.Pod) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(fmt.Sprintf("signalr_server_active_connections %d\n", 100-reads.Add(1)))), nil
			})
			first, _ := observer.Observe(t.Context(), types.NamespacedName{}, []*corev1.Pod{pod("a"), pod("b")}, start, every)
			second, age := observer.Observe(t.Context(), types.NamespacedName{}, c.pods, start.Add(c.after), every)
			if again := reads.Load() > 2; again != c.again || maps.Equal(first, second) == c.again {
				t.Errorf("metrics were read %d times: first %v, then %v", reads.Load(), first, second)
			}
			if want := c.after; !c.again && age != want {
				t.Errorf("the age is %s, want %s", age, want)
			}
		})
	}
}

func readyPod(name string) *corev1.Pod {
	ready := pod(name)
	ready.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return ready
}

func endingPod(name string, since *metav1.Time) *corev1.Pod {
	ending := pod(name)
	ending.DeletionTimestamp = since
	return ending
}

func TestAHubServerThatDoesNotAnswerIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		observer := load.NewObserver(func(ctx context.Context, _ *corev1.Pod) (io.ReadCloser, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		began := time.Now()
		if loads := observe(t, observer, types.NamespacedName{}, pod("a"), pod("b")); len(loads) != 0 {
			t.Errorf("seen: %v", loads)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestOnlySoMuchIsRead(t *testing.T) {
	endless := io.NopCloser(io.MultiReader(strings.NewReader("# "), zeros{}))
	observer := load.NewObserver(func(context.Context, *corev1.Pod) (io.ReadCloser, error) { return endless, nil })
	if loads := observe(t, observer, types.NamespacedName{}, pod("a")); len(loads) != 0 {
		t.Errorf("seen: %v", loads)
	}
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	for at := range into {
		into[at] = 'x'
	}
	return len(into), nil
}

func TestDirectAsksTheAddressOfThePod(t *testing.T) {
	asked := ""
	client := &http.Client{Transport: transport(func(request *http.Request) (*http.Response, error) {
		asked = request.URL.String()
		recorder := httptest.NewRecorder()
		if strings.Contains(asked, "10.0.0.8") {
			recorder.WriteHeader(http.StatusNotFound)
		}
		_, _ = recorder.WriteString("ok")
		return recorder.Result(), nil
	})}
	fetch := load.Direct(client)
	one := pod("a")
	if _, err := fetch(t.Context(), one); err == nil {
		t.Error("a pod without an address was asked")
	}
	one.Status.PodIP = "fd00::7"
	body, err := fetch(t.Context(), one)
	if err != nil || asked != "http://[fd00::7]:9090/metrics" {
		t.Fatalf("asked %s: %v", asked, err)
	}
	_ = body.Close()
	one.Status.PodIP = "10.0.0.8"
	if _, err := fetch(t.Context(), one); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a refusal is %v", err)
	}
}

// A hub server may be anybody's program. What the operator reaches is more than what that may reach.
func TestAPodCannotSendTheOperatorElsewhere(t *testing.T) {
	var elsewhere atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if request.URL.Path != "/metrics" {
			elsewhere.Store(true)
			return
		}
		http.Redirect(response, request, "/latest/meta-data", http.StatusFound)
	}))
	defer server.Close()
	client := load.NewClient()
	direct, is := client.Transport.(*http.Transport)
	if !is || direct.Proxy != nil {
		t.Fatal("a proxy is asked for what pods have")
	}
	direct.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	one := pod("a")
	one.Status.PodIP = "10.0.0.7"
	if _, err := load.Direct(client)(t.Context(), one); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("the answer is %v", err)
	}
	if elsewhere.Load() {
		t.Error("the operator went where the pod sent it")
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }
