package main

import (
	"slices"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestTheLeaseBelongsToTheServiceAccountsOfTheOperatorsThatShareIt(t *testing.T) {
	held := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: leaseName, Namespace: "chat", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "ServiceAccount", Name: "other", UID: "1"},
		}},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: new("other-pod")},
	}
	for name, test := range map[string]struct {
		there []runtime.Object
		// user and uid are who Kubernetes says that the operator is.
		user, uid string
		owners    []string
		holder    string
	}{
		"the first operator": {user: "system:serviceaccount:chat:operator", uid: "2", owners: []string{"operator"}},
		"the second, of another release": {
			there: []runtime.Object{held},
			user:  "system:serviceaccount:chat:operator", uid: "2",
			owners: []string{"operator", "other"}, holder: "other-pod",
		},
		"one that has started again": {
			there: []runtime.Object{held},
			user:  "system:serviceaccount:chat:other", uid: "1",
			owners: []string{"other"}, holder: "other-pod",
		},
		"a ServiceAccount elsewhere": {user: "system:serviceaccount:chat-2:operator", uid: "2"},
		"a person":                   {user: "kubernetes-admin"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := fake.NewClientset(test.there...)
			cluster.PrependReactor("create", "selfsubjectreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
				info := authenticationv1.UserInfo{Username: test.user, UID: test.uid}
				return true, &authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{UserInfo: info}}, nil
			})
			if err := ownLease(t.Context(), cluster, "chat"); err != nil {
				t.Fatal(err)
			}
			lease, err := cluster.CoordinationV1().Leases("chat").Get(t.Context(), leaseName, metav1.GetOptions{})
			if apierrors.IsNotFound(err) && test.owners == nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var owners []string
			for _, owner := range lease.OwnerReferences {
				owners = append(owners, owner.Name)
			}
			slices.Sort(owners)
			if !slices.Equal(owners, test.owners) {
				t.Errorf("the lease belongs to %q, want %q", owners, test.owners)
			}
			holder := ""
			if lease.Spec.HolderIdentity != nil {
				holder = *lease.Spec.HolderIdentity
			}
			if holder != test.holder {
				t.Errorf("the lease is held by %q, want %q", holder, test.holder)
			}
		})
	}
}
