package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

const mergePatch = types.MergePatchType

func newDeployment() *appsv1.Deployment   { return &appsv1.Deployment{} }
func newStatefulSet() *appsv1.StatefulSet { return &appsv1.StatefulSet{} }
func newService() *corev1.Service         { return &corev1.Service{} }
func newIngress() *networkingv1.Ingress   { return &networkingv1.Ingress{} }
