package controllers_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// programPatience is how long a test waits for a program of Kubernetes that has just been started.
const programPatience = 3 * time.Minute

// run runs a program of Kubernetes until the test ends, or skips the test where it is not beside kube-apiserver.
func (o *operator) run(program string, arguments ...string) {
	o.t.Helper()
	path := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), program)
	if _, err := os.Stat(path); err != nil {
		o.t.Skipf("%s is not in KUBEBUILDER_ASSETS: what it makes of a ChatCluster is not tested", program)
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, path, append(arguments, "--secure-port=0")...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		cancel()
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was killed
		if o.t.Failed() {
			o.t.Logf("%s said:\n%s", program, output.String())
		}
	})
}

// kubeconfig writes a file for programs that may do everything.
func (o *operator) kubeconfig() string {
	o.t.Helper()
	const name = "test"
	file := filepath.Join(o.t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {Server: o.config.Host, CertificateAuthorityData: o.config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			ClientCertificateData: o.config.CertData, ClientKeyData: o.config.KeyData,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}, file)
	if err != nil {
		o.t.Fatal(err)
	}
	return file
}

// TestKubernetesEndsTheHubServersThatTheOperatorMeans has Kubernetes' own controllers take pods away. The test plays the kubelet
// and the clients: those of a hub server that ends go to the others.
func TestKubernetesEndsTheHubServersThatTheOperatorMeans(t *testing.T) {
	o := runOperator(t)
	o.run("kube-controller-manager", "--controllers=deployment-controller,replicaset-controller",
		"--kubeconfig", o.kubeconfig(), "--leader-elect=false")
	o.chatCluster("demo", "{replicas: 4}")
	clients := o.startHubs("demo", 40, 3, 50, 20)
	o.seen("demo", 113)
	o.scale("demo", 1)
	for len(clients) > 1 {
		least := slices.MinFunc(slices.Collect(maps.Keys(clients)), func(a, b string) int { return clients[a] - clients[b] })
		o.eventually(func() error {
			if ends := o.ends("demo"); !slices.Equal(ends, []string{least}) {
				return fmt.Errorf("%v end, %s of %v should", ends, least, clients)
			}
			return nil
		})
		o.patch("demo", fmt.Sprintf("{metadata: {annotations: {look: '%d'}}}", len(clients)))
		o.settle("demo")
		if ends := o.ends("demo"); len(ends) != 1 {
			t.Fatalf("%v end at a time", ends)
		}
		moved := clients[least]
		delete(clients, least)
		for name := range clients {
			clients[name] += moved / len(clients)
			o.hubs.set(name, clients[name])
		}
		o.gone(least)
	}
	o.replicas("demo", 1)
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.settle("demo")
	if ends := o.ends("demo"); len(ends) != 0 {
		t.Errorf("%v end, though one hub server is wanted", ends)
	}
}

// hubPods are the pods of the hub servers.
func (o *operator) hubPods(cluster string) []corev1.Pod {
	o.t.Helper()
	pods := &corev1.PodList{}
	err := o.admin.List(o.t.Context(), pods, client.InNamespace(o.namespace),
		client.MatchingLabels{v1alpha1.LabelInstance: cluster, v1alpha1.LabelComponent: v1alpha1.HubComponent})
	if err != nil {
		o.t.Fatal(err)
	}
	return pods.Items
}

// ends are the names of the hub servers that end.
func (o *operator) ends(cluster string) []string {
	o.t.Helper()
	var names []string
	for _, pod := range o.hubPods(cluster) {
		if pod.DeletionTimestamp != nil {
			names = append(names, pod.Name)
		}
	}
	return names
}

// startHubs waits for the pods that Kubernetes makes of a Deployment and plays the kubelet that starts them, with so many
// clients each. It returns the clients by the names of the pods.
func (o *operator) startHubs(cluster string, connections ...int) map[string]int {
	o.t.Helper()
	var pods []corev1.Pod
	eventually(o.t, programPatience, func() error {
		if pods = o.hubPods(cluster); len(pods) != len(connections) {
			return fmt.Errorf("there are %d pods, want %d", len(pods), len(connections))
		}
		return nil
	})
	clients := map[string]int{}
	for at := range pods {
		pod := &pods[at]
		clients[pod.Name] = connections[at]
		o.hubs.set(pod.Name, connections[at])
		o.startPod(pod, runs)
	}
	return clients
}

// startPod plays the scheduler and the kubelet of a pod; how says what came of it.
func (o *operator) startPod(pod *corev1.Pod, how func(*corev1.PodStatus)) {
	o.t.Helper()
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "node"}}
	if err := o.admin.SubResource("binding").Create(o.t.Context(), pod, binding); err != nil {
		o.t.Fatal(err)
	}
	started := get(o, &corev1.Pod{}, pod.Name)
	how(&started.Status)
	if err := o.admin.Status().Update(o.t.Context(), started); err != nil {
		o.t.Fatal(err)
	}
}

func runs(status *corev1.PodStatus) {
	status.Phase, status.PodIP = corev1.PodRunning, "10.0.0.1"
	status.Conditions = append(status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
}

func findsNoImage(status *corev1.PodStatus) {
	status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "redis", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}},
	}}
}

// TestARedisThatCannotStartIsFreedByACorrectedSpec has Kubernetes' own controller replace the pod while it is ready. The test plays
// the kubelet.
func TestARedisThatCannotStartIsFreedByACorrectedSpec(t *testing.T) {
	o := runOperator(t)
	o.run("kube-controller-manager", "--controllers=statefulset-controller", "--kubeconfig", o.kubeconfig(), "--leader-elect=false")
	o.chatCluster("demo", "{}")
	first := o.redisPod("redis:7.0", "")
	o.startPod(first, runs)
	o.condition("demo", v1alpha1.ConditionRedisReady, metav1.ConditionTrue, v1alpha1.ReasonRedisRunning)
	o.patch("demo", "{spec: {redis: {image: 'redis:wrong'}}}")
	o.letEnd(first)
	wrong := o.redisPod("redis:wrong", first.UID)
	o.startPod(wrong, findsNoImage)
	o.message("demo", v1alpha1.ConditionRedisReady, "cannot be pulled")
	o.patch("demo", "{spec: {redis: {image: 'redis:7.0'}}}")
	o.letEnd(wrong)
	o.event("demo", "Replaced", wrong.Name)
	o.startPod(o.redisPod("redis:7.0", wrong.UID), runs)
	o.condition("demo", v1alpha1.ConditionRedisReady, metav1.ConditionTrue, v1alpha1.ReasonRedisRunning)
}

// redisPod waits for the pod of the one Redis server that has an image and comes after the one with that UID.
func (o *operator) redisPod(image string, after types.UID) *corev1.Pod {
	o.t.Helper()
	pod := &corev1.Pod{}
	eventually(o.t, programPatience, func() error {
		if !o.has(pod, "demo-redis-0") || pod.UID == after || pod.Spec.Containers[0].Image != image {
			return fmt.Errorf("there is no pod of Redis with the image %s", image)
		}
		return nil
	})
	return pod
}

// letEnd waits until somebody has told a pod to end, and plays the kubelet that says that it has.
func (o *operator) letEnd(pod *corev1.Pod) {
	o.t.Helper()
	o.eventually(func() error {
		if get(o, &corev1.Pod{}, pod.Name).DeletionTimestamp == nil {
			return fmt.Errorf("%s goes on with the image %s", pod.Name, pod.Spec.Containers[0].Image)
		}
		return nil
	})
	o.gone(pod.Name)
}
