package controllers_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/sampletest"
)

// TestTheRoleIsWhatTheOperatorUses makes the operator do all it can do and compares. Every other test runs with that role too, so
// that what is missing in it shows anywhere.
func TestTheRoleIsWhatTheOperatorUses(t *testing.T) {
	o := runOperator(t)
	o.installKinds()
	o.doEverything()
	o.eventually(func() error {
		role, err := readRole()
		if err != nil {
			return err
		}
		granted, used := rulesOf(role), map[call]bool{}
		for one := range o.calls.all() {
			used[one] = true
		}
		var problems []error
		for one := range granted {
			if !used[one] && !implied(one, used) {
				problems = append(problems, errors.New("is granted and not used: "+one.verb+" "+one.group+"/"+one.resource))
			}
		}
		for one := range used {
			if !granted[one] {
				problems = append(problems, errors.New("is used and not granted: "+one.verb+" "+one.group+"/"+one.resource))
			}
		}
		return errors.Join(problems...)
	})
}

// implied tells whether the API server asks for a permission while another thing is done.
func implied(one call, used map[call]bool) bool {
	does := func(verb string) bool { return used[call{verb, one.group, one.resource}] }
	switch {
	case one.verb == "create" && does("patch"): // applying an object that is not there
		return true
	case one.verb == "list" && does("watch"): // API servers before 1.34 cannot begin a watch with all there is
		return true
	case one.resource == "chatclusters/finalizers": // an owner reference that blocks the owner's deletion
		return true
	}
	return one == call{"patch", "events.k8s.io", "events"} // an event that repeats is counted in the one that is there
}

func rulesOf(role *rbacv1.ClusterRole) map[call]bool {
	granted := map[call]bool{}
	for _, rule := range role.Rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					granted[call{verb, group, resource}] = true
				}
			}
		}
	}
	return granted
}

// doEverything makes a ChatCluster with all there is, changes it, and takes it all away.
func (o *operator) doEverything() {
	o.t.Helper()
	o.create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {color: red}\n")
	o.create("apiVersion: v1\nkind: Secret\nmetadata: {name: tokens}\nstringData: {token: one}\n")
	o.chatCluster("all", `{replicas: 2, ingress: {host: chat.example.com}, gateway: {parents: [{name: public}]}, monitoring: {serviceMonitor: {}},
	  hub: {env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: color}}}, {name: B, valueFrom: {secretKeyRef: {name: tokens, key: token}}}]}}`)
	o.ready("all")
	o.runPods("all", 1, 2)
	o.eventually(func() error {
		if get(o, &v1alpha1.ChatCluster{}, "all").Status.Connections == nil {
			return errors.New("the pods were not seen")
		}
		return nil
	})
	o.patch("all", "{spec: {replicas: 1}}")
	o.ready("all")
	o.growAndReplace()
	// Nobody removes a ConfigMap or Secret of a ChatCluster that lives: these are for Kubernetes' garbage collector.
	o.patch("all", "{spec: {ingress: null, gateway: null, monitoring: null, networkPolicy: {enabled: false}}}")
	o.ready("all")
	o.settle("all")
}

func TestEachSampleIsTakenAndMade(t *testing.T) {
	o := runOperator(t)
	o.installKinds()
	samples, err := filepath.Glob(filepath.Join(sampletest.Folder(), "*.yaml"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("there are no samples: %v", err)
	}
	for _, sample := range samples {
		name := filepath.Base(sample)
		if name == "kustomization.yaml" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			cluster := ""
			for _, document := range sampletest.Documents(t, name) {
				object := &unstructured.Unstructured{Object: document}
				object.SetNamespace(o.namespace)
				switch object.GetKind() {
				case "ChatCluster":
					cluster = object.GetName()
				case "Secret":
				default:
					continue // of others, such as cert-manager: this API server does not know their kinds
				}
				if err := o.admin.Create(t.Context(), object); err != nil {
					t.Fatal(err)
				}
			}
			if name == "tls.yaml" {
				o.condition(cluster, v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonReferenceMissing)
				o.create("apiVersion: v1\nkind: Secret\nmetadata: {name: chat-internal}\nstringData: {tls.crt: certificate, tls.key: key}\n")
			}
			if name == "redis-tls.yaml" {
				o.condition(cluster, v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonReferenceMissing)
				o.redisCertificate("private-redis-tls")
			}
			o.ready(cluster)
			// What Redis servers say of themselves changes once more after Ready, when all replicas are in sync.
			o.eventually(func() error {
				before := o.calls.writes()
				o.patch(cluster, fmt.Sprintf("{metadata: {annotations: {look: '%d'}}}", before))
				o.settle(cluster)
				if wrote := o.calls.writes() - before; wrote != 0 {
					return fmt.Errorf("a look at what is settled wrote %d times", wrote)
				}
				return nil
			})
		})
	}
}
