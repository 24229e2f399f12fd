package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/chatcluster/chatcluster/controllers/apply"
	"github.com/chatcluster/chatcluster/controllers/load"
	"github.com/chatcluster/chatcluster/server/certificatetest"
)

// Two ChatClusters may refer to the same Secret, and only one of them is gone.
func TestWhatIsRememberedOfAChatClusterGoesWithIt(t *testing.T) {
	t.Parallel()
	authority := certificatetest.NewAuthority(t)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shared"},
		Data:       map[string][]byte{corev1.TLSCertKey: authority.IssueUntil(t, time.Now(), "demo").Certificate, authorityKey: authority.PEM},
	}
	known := fake.NewClientBuilder().WithObjects(secret).Build()
	other := observed()
	other.cluster.Namespace = "default"
	r := &Reconciler{
		Client:  fakeClient(t, other, interceptor.Funcs{}),
		Applier: &apply.Applier{}, Loads: load.NewObserver(nil),
		References:   &References{Metadata: known, Uncached: known},
		Certificates: &Certificates{Metadata: known, Uncached: known},
	}
	gone, stays := types.NamespacedName{Namespace: "default", Name: "gone"}, types.NamespacedName{Namespace: "default", Name: "stays"}
	for _, cluster := range []types.NamespacedName{gone, stays} {
		if _, err := r.References.hash(t.Context(), cluster, reference{kind: secretKind, name: "shared", key: corev1.TLSCertKey}); err != nil {
			t.Fatal(err)
		}
		if found, err := r.Certificates.find(t.Context(), certificateOf{cluster, "shared"}); err != nil || found == nil {
			t.Fatal(found, err)
		}
	}
	if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: gone}); err != nil {
		t.Fatal(err)
	}
	if _, kept := r.References.known[referred{stays, secretKind, "shared"}]; !kept || len(r.References.known) != 1 {
		t.Errorf("references are known: %v", r.References.known)
	}
	if kept := r.Certificates.known[certificateOf{stays, "shared"}]; kept == nil || len(r.Certificates.known) != 1 {
		t.Errorf("certificates are known: %v", r.Certificates.known)
	}
}
