package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// chooseImages takes the images of the spec. Where it names none, those that were chosen once stay, so that a new operator
// replaces nothing by itself, until the user asks for an upgrade.
func (r *Reconciler) chooseImages(_ context.Context, s *scope) error {
	request := requested(s.cluster.Annotations[v1alpha1.AnnotationUpgradeImages])
	chosen := s.cluster.Status.Images
	if request != "" && request != chosen.Request { // who takes the annotation off asks for nothing
		chosen = v1alpha1.ChosenImages{Request: request}
	}
	runningHub, runningRedis := "", ""
	if s.cluster.Status.ObservedGeneration == 0 { // the status was lost, as by a restored backup
		runningHub, runningRedis = s.facts.images()
	}
	s.wanted.HubImage, chosen.Hub = choose(s.cluster.Spec.Hub.Image, chosen.Hub, runningHub, r.Defaults.HubImage)
	if s.wanted.Managed() {
		s.wanted.RedisImage, chosen.Redis = choose(s.cluster.Spec.Redis.Image, chosen.Redis, runningRedis, r.Defaults.RedisImage)
	}
	s.cluster.Status.Images = chosen
	return nil
}

// longestRequest is how long a request may be in the status.
const longestRequest = 253

// requested is what the status has of a request: an annotation may be longer, and a status that the API server refuses would say
// nothing any more.
func requested(annotation string) string {
	if len(annotation) <= longestRequest {
		return annotation
	}
	sum := sha256.Sum256([]byte(annotation))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// choose returns the image to use, and what is remembered as chosen: nothing while the spec names one.
func choose(named, chosen, running, standard string) (image, remembered string) {
	switch {
	case named != "":
		return named, ""
	case chosen != "":
		return chosen, chosen
	case running != "":
		return running, running
	}
	return standard, standard
}

// version is the tag of an image, or its digest.
func version(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		return name[at+1:]
	}
	return digest
}

// images are those that run.
func (f facts) images() (hub, redis string) {
	if f.hub != nil && len(f.hub.Spec.Template.Spec.Containers) > 0 {
		hub = f.hub.Spec.Template.Spec.Containers[0].Image
	}
	for _, set := range f.redisSets {
		if len(set.Spec.Template.Spec.Containers) > 0 {
			redis = set.Spec.Template.Spec.Containers[0].Image
		}
	}
	return hub, redis
}
