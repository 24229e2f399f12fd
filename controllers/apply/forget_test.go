package apply

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

func TestWhatIsRememberedOfAnOwnerGoesWithIt(t *testing.T) {
	applier := &Applier{}
	owner := func(name string) client.Object {
		return &v1alpha1.ChatCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	}
	object := func(uid types.UID) client.Object {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{UID: uid, ResourceVersion: "7"}}
	}
	applier.Forget(types.NamespacedName{Namespace: "default", Name: "never"})
	applier.remember(owner("demo"), object("a"))
	applier.remember(owner("demo"), object("b"))
	applier.remember(owner("other"), object("c"))
	applier.Forget(types.NamespacedName{Namespace: "default", Name: "demo"})
	if applier.Known() != 1 || !applier.remembered(owner("other"), object("c")) {
		t.Errorf("%d objects are remembered, want that of the owner that stays", applier.Known())
	}
}
