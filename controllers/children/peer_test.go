package children_test

import (
	"path/filepath"
	"slices"
	"testing"

	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	networkingac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/sampletest"
)

// TestThePeerPortIsForHubServersAlone looks at all objects of all samples: whoever reaches the peer port needs the cluster key,
// but nobody else has any business there.
func TestThePeerPortIsForHubServersAlone(t *testing.T) {
	samples, err := filepath.Glob(filepath.Join(sampletest.Folder(), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	guarded := 0
	for _, sample := range samples {
		name := filepath.Base(sample)
		if name == "kustomization.yaml" {
			continue
		}
		w := wanted(t, name)
		list, err := children.List(w)
		if err != nil {
			t.Fatal(err)
		}
		for _, child := range list {
			switch object := child.Configuration.(type) {
			case *coreac.ServiceApplyConfiguration:
				for _, port := range object.Spec.Ports {
					if *port.Port == children.PeerPort || port.TargetPort.String() == "peer" || port.TargetPort.IntValue() == children.PeerPort {
						t.Errorf("%s: the Service %s leads to the peer port", name, child.Name)
					}
				}
			case *networkingac.NetworkPolicyApplyConfiguration:
				guarded += checkPeerRules(t, name, w, object)
			}
		}
	}
	if guarded == 0 {
		t.Error("no NetworkPolicy opens the peer port to hub servers")
	}
}

// checkPeerRules returns how many rules are about the peer port. Each of them is for the hub servers of the same ChatCluster.
func checkPeerRules(t *testing.T, sample string, w children.Wanted, policy *networkingac.NetworkPolicyApplyConfiguration) (rules int) {
	t.Helper()
	for _, rule := range policy.Spec.Ingress {
		peer := slices.ContainsFunc(rule.Ports, func(port networkingac.NetworkPolicyPortApplyConfiguration) bool {
			return port.Port.IntValue() == children.PeerPort || port.EndPort != nil
		})
		if !peer && len(rule.Ports) > 0 {
			continue
		}
		rules++
		for _, from := range rule.From {
			selector := from.PodSelector
			if from.NamespaceSelector != nil || from.IPBlock != nil || selector == nil ||
				selector.MatchLabels[v1alpha1.LabelInstance] != w.Cluster.Name ||
				selector.MatchLabels[v1alpha1.LabelComponent] != v1alpha1.HubComponent {
				t.Errorf("%s: NetworkPolicy %s opens the peer port to %+v", sample, *policy.Name, from)
			}
		}
		if len(rule.From) == 0 {
			t.Errorf("%s: NetworkPolicy %s opens the peer port to everyone", sample, *policy.Name)
		}
	}
	return rules
}
