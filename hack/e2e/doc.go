// Package e2e is the end-to-end suite: it installs the chart in the Kubernetes cluster that KUBECONFIG names, makes
// ChatClusters, lets clients outside of that cluster chat through them and disturbs what runs there. What the clients
// counted is printed as a table.
//
//	E2E=ci KUBECONFIG=... go test ./hack/e2e -v -timeout 30m
//
// E2E is "ci" for each form of Redis and the main disturbances, or "full" for all there is, with more clients; without it the
// suite is skipped. Four tests, each in a Kubernetes cluster that has nothing of ChatCluster: the life of a ChatCluster, all that
// happens to each form of Redis (full only), the README word for word, and the other ways to install the operator.
// The images must be there, or where the cluster's nodes can pull them (make e2e builds and loads them with kind):
//
//	E2E_OPERATOR_IMAGE, E2E_HUB_IMAGE  the images of this checkout
//	E2E_HUB_IMAGE_NEXT                 the same hub image under another name, to be changed to
//	E2E_EXAMPLE_IMAGE                  the example of the README (hack/e2e/example), a hub server of a user's own
//	E2E_PREVIOUS_CHART                 a packaged chart to upgrade from, with
//	E2E_PREVIOUS_OPERATOR_IMAGE        the operator that belongs to it, and
//	E2E_PREVIOUS_HUB_IMAGE             the hub server; without them that is skipped
//	E2E_REDIS_IMAGE                    default docker.io/redis:7.0
//	E2E_REDIS_IMAGE_NEXT               the same image under another name, to be changed to; without it that is skipped
//	E2E_NODE_ADDRESS                   where node ports are reached; default: the address of a node
//	E2E_ARTIFACTS                      folder for logs, events and objects of a failed run; default bin/e2e
//	KIND_CLUSTER_NAME                  the kind cluster into which the commands of the README load images; else they are skipped
//	E2E_IMAGES                         "containers" lets the README's images be built from the Dockerfile, with DOCKER_BUILD_FLAGS
//	HELM                               default: helm on PATH, or bin/helm
package e2e
