package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// maximumTrouble bounds what a pod says of its end, in bytes: a condition is read by people.
const maximumTrouble = 200

// trouble tells why a pod of the list does not become ready, as far as Kubernetes knows; it is empty while nothing is wrong.
// It names no pod: names are random, and a condition that changes with them would never settle.
func trouble(pods []*corev1.Pod) string {
	sorted := slices.SortedFunc(slices.Values(pods), func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	for _, pod := range sorted {
		if ready(pod) || ending(pod) {
			continue
		}
		if text := podTrouble(pod); text != "" {
			return text
		}
	}
	return ""
}

// replicaFailure is what Kubernetes says of pods of a Deployment that it could not make, for a quota or a policy; empty if there are
// none. It leaves out the name of the pod, which is another one each time.
func replicaFailure(hub *appsv1.Deployment) string {
	if hub == nil {
		return ""
	}
	for _, condition := range hub.Status.Conditions {
		if condition.Type != appsv1.DeploymentReplicaFailure || condition.Status != corev1.ConditionTrue {
			continue
		}
		if _, why, forbidden := strings.Cut(condition.Message, " is forbidden: "); forbidden {
			return "Kubernetes does not make them: " + brief(why)
		}
		return "Kubernetes does not make them: " + brief(condition.Message)
	}
	return ""
}

// failing tells whether a pod is not ready for a reason that is known.
func failing(pod *corev1.Pod) bool { return !ready(pod) && podTrouble(pod) != "" }

func podTrouble(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Message != "" {
			return "no node takes it: " + brief(condition.Message)
		}
	}
	for _, container := range pod.Status.ContainerStatuses {
		if text := containerTrouble(container); text != "" {
			return text
		}
	}
	return ""
}

// containerTrouble goes by the last end of a container before it goes by what it waits for: while a container is started again and
// again, what it waits for comes and goes.
func containerTrouble(container corev1.ContainerStatus) string {
	for _, ended := range []*corev1.ContainerStateTerminated{container.State.Terminated, container.LastTerminationState.Terminated} {
		if ended != nil {
			return brief(fmt.Sprintf("it ended with exit code %d (%s): %s", ended.ExitCode, ended.Reason, lastLine(ended.Message)))
		}
	}
	waiting := container.State.Waiting
	switch {
	case waiting == nil, waiting.Reason == "ContainerCreating", waiting.Reason == "PodInitializing":
		return ""
	case waiting.Reason == "ErrImagePull", waiting.Reason == "ImagePullBackOff":
		return brief(fmt.Sprintf("the image %s cannot be pulled", container.Image))
	}
	return brief(waiting.Reason + ": " + lastLine(waiting.Message))
}

// lastLine is what a program said last: its reason to end.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// brief is one line of bounded length.
func brief(text string) string {
	return cut(strings.TrimSuffix(strings.TrimSpace(text), ":"), maximumTrouble)
}

// cut shortens a text to a number of bytes and a sign that something is missing, between two characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
