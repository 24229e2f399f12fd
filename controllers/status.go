package controllers

import (
	"fmt"
	"math"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
)

// updateStatus computes all of the status from the scope. It asks nobody.
func updateStatus(s *scope) {
	status := &s.cluster.Status
	status.ObservedGeneration = s.observedGeneration()
	status.Selector = labels.SelectorFromSet(children.Selector(s.cluster.Name, v1alpha1.HubComponent)).String()
	countHubs(status, s.facts)
	if s.target != nil {
		status.DesiredReplicas = ptr.To(*s.target)
	}
	if s.wanted.HubImage != "" { // else nothing was decided in this reconcile
		status.Version = version(s.wanted.HubImage)
	}
	status.Draining = endings(s.facts)
	status.Connections = connections(s.facts, status.Connections)
	status.Endpoints = endpoints(s.cluster, s.facts)
	status.Redis = redisStatus(s)
	setConditions(s)
}

// observedGeneration is that of the spec which what runs is held against: a paused one is not looked at.
func (s *scope) observedGeneration() int64 {
	if ptr.Deref(s.cluster.Spec.Paused, false) {
		return s.before.Status.ObservedGeneration
	}
	return s.cluster.Generation
}

func countHubs(status *v1alpha1.ChatClusterStatus, facts facts) {
	var hub appsv1.DeploymentStatus
	if facts.hub != nil {
		hub = facts.hub.Status
	}
	status.Replicas = ptr.To(hub.Replicas)
	status.ReadyReplicas = ptr.To(hub.ReadyReplicas)
	status.UpdatedReplicas = ptr.To(hub.UpdatedReplicas)
}

// endings count the hub servers that end, and the clients of those that were seen.
func endings(facts facts) v1alpha1.DrainingStatus {
	replicas, connections, seen := int32(0), int64(0), false
	for _, pod := range facts.hubs {
		if !ending(pod) {
			continue
		}
		replicas++
		if load, is := facts.loads[pod.Name]; is {
			connections, seen = connections+load.Connections, true
		}
	}
	status := v1alpha1.DrainingStatus{Replicas: &replicas}
	if seen {
		status.Connections = &connections
	}
	return status
}

// shownChange is the part of the number of clients by which it must differ to be written again.
const shownChange = 0.05

// connections is the sum of all clients. It is nil until all hub servers that serve were seen once, and stays what it was while
// one of them is not seen, or while it hardly changes: a status that is written all the time is a burden to all who watch.
func connections(facts facts, shown *int64) *int64 {
	total := int64(0)
	for _, pod := range facts.hubs {
		load, seen := facts.loads[pod.Name]
		if !seen && ready(pod) && !ending(pod) {
			return shown
		}
		total += load.Connections
	}
	switch {
	case shown == nil && len(facts.hubs) == 0:
		return nil
	case shown == nil, total == 0:
		return &total
	case math.Abs(float64(total-*shown)) < shownChange*float64(*shown) || total == *shown:
		return shown
	}
	return &total
}

// endpoints are where clients find the hub servers, from the nearest to the farthest.
func endpoints(cluster *v1alpha1.ChatCluster, facts facts) []v1alpha1.Endpoint {
	var list []v1alpha1.Endpoint
	if facts.service != nil {
		list = append(list, v1alpha1.Endpoint{Type: v1alpha1.ServiceEndpoint, URL: children.ServiceURL(cluster)})
		if host := loadBalancer(facts.service); host != "" {
			list = append(list, v1alpha1.Endpoint{Type: v1alpha1.LoadBalancerEndpoint, URL: url(cluster.Spec.TLS != nil, host, "")})
		}
	}
	if ingress := cluster.Spec.Ingress; ingress != nil && facts.ingress != nil {
		list = append(list, v1alpha1.Endpoint{Type: v1alpha1.IngressEndpoint, URL: url(ingress.TLS != nil, ingress.Host, ingress.Path)})
	}
	if gateway := cluster.Spec.Gateway; gateway != nil && len(gateway.Hostnames) > 0 {
		// Whether the Gateway speaks TLS is its own affair; those that clients reach from outside do.
		list = append(list, v1alpha1.Endpoint{Type: v1alpha1.GatewayEndpoint, URL: url(true, gateway.Hostnames[0], gateway.Path)})
	}
	return list
}

func url(secure bool, host, path string) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	if path == "/" {
		path = ""
	}
	return fmt.Sprintf("%s://%s%s", scheme, host, path)
}

// loadBalancer is the address of the Service outside of the Kubernetes cluster, if it has one.
func loadBalancer(service *corev1.Service) string {
	for _, address := range service.Status.LoadBalancer.Ingress {
		if address.Hostname != "" {
			return address.Hostname
		}
		if address.IP != "" {
			return address.IP
		}
	}
	return ""
}
