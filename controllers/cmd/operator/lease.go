package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// leaseName names the lease by which the operators of a namespace agree on who works.
const leaseName = "operator.chatcluster.dev"

// leasePatience is for how long the operator tries to own its lease, which it can do without.
const leasePatience = 10 * time.Second

// ownLease makes that lease, which neither a chart nor a manifest knows of, belong to the ServiceAccount of this operator: with the last
// ServiceAccount that shared it Kubernetes deletes it, so that nothing is left behind. It comes before the election, which takes a lease
// that is changed under its hands for lost and says so.
func ownLease(ctx context.Context, client kubernetes.Interface, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, leasePatience)
	defer cancel()
	owners, err := serviceAccount(ctx, client, namespace)
	if err != nil || len(owners) == 0 {
		return err
	}
	leases := client.CoordinationV1().Leases(namespace)
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName, OwnerReferences: owners}}
	if _, err = leases.Create(ctx, lease, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		return err
	}
	// A strategic merge adds to the owners that are there, and changes nothing if this one is among them.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"ownerReferences": owners}})
	if err != nil {
		return fmt.Errorf("encode the owner of a lease: %w", err)
	}
	_, err = leases.Patch(ctx, leaseName, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}

// serviceAccount asks Kubernetes who this operator is. It gives nothing for somebody who is not a ServiceAccount of namespace: an
// object cannot belong to one elsewhere.
func serviceAccount(ctx context.Context, client kubernetes.Interface, namespace string) ([]metav1.OwnerReference, error) {
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask who the operator is: %w", err)
	}
	user := review.Status.UserInfo
	name, ok := strings.CutPrefix(user.Username, "system:serviceaccount:"+namespace+":")
	if !ok || user.UID == "" {
		return nil, nil
	}
	return []metav1.OwnerReference{{
		APIVersion: corev1.SchemeGroupVersion.String(),
		Kind:       "ServiceAccount",
		Name:       name,
		UID:        types.UID(user.UID),
	}}, nil
}
