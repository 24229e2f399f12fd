# Everything that developers and CI run. `make` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help

GO       ?= go
NPM      ?= npm
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT   ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS  := -s -w -X main.version=$(VERSION)
HUB_IMAGE      ?= docker.io/chatcluster/hubserver:$(VERSION)
OPERATOR_IMAGE ?= docker.io/chatcluster/operator:$(VERSION)
# The hub of the README as an image: the end-to-end tests run it in a ChatCluster, like any user's.
EXAMPLE_IMAGE  ?= docker.io/chatcluster/example:$(VERSION)
# Linters of the pinned version are kept out of go.mod: they need more modules than the product.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# So are the generators, and the linter of Kubernetes APIs, which brings its own golangci-lint.
CONTROLLER_GEN := sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0
KUBE_API_LINTER := sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter@v0.0.0-20260716143926-092fe0c72997
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME ?= 5s
SOAK     ?= 30m
KIND_CLUSTER ?= kind

PAGE         := server/web/dist/page/index.html
PAGE_SOURCES := $(shell find server/web/src server/web/public server/web/*.json -type f 2>/dev/null)

##@ Try it

.PHONY: demo
demo: page ## Run two hub servers, an embedded Redis and the page: http://localhost:4200
	@mkdir -p bin
	@$(GO) build -ldflags '$(LDFLAGS)' -o bin/demo ./server/cmd/demo
	@exec bin/demo

##@ Build

.PHONY: build
build: page ## Build bin/hubserver and bin/demo, the page included
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./server/cmd/hubserver ./server/cmd/demo

.PHONY: page
page: $(PAGE) ## Build the page into server/web/dist

$(PAGE): $(PAGE_SOURCES)
	@command -v $(NPM) >/dev/null || { echo "make page: npm is missing: install Node.js 20.19 or later (https://nodejs.org)" >&2; exit 1; }
	cd server/web && $(NPM) ci --no-audit --no-fund --loglevel=error
	cd server/web && $(NPM) run --silent build
	@touch $(PAGE)

.PHONY: images
images: ## Build the container images HUB_IMAGE and OPERATOR_IMAGE from the Dockerfile
	docker build --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --target hubserver -t $(HUB_IMAGE) $(DOCKER_BUILD_FLAGS) .
	docker build --build-arg VERSION=$(VERSION) --target operator -t $(OPERATOR_IMAGE) $(DOCKER_BUILD_FLAGS) .

.PHONY: images-from-host
images-from-host: page ## Build the same images, and EXAMPLE_IMAGE, from binaries that Go builds here: faster
	VERSION=$(VERSION) hack/image hubserver $(HUB_IMAGE) ./server/cmd/hubserver
	VERSION=$(VERSION) hack/image operator $(OPERATOR_IMAGE) ./controllers/cmd/operator
	VERSION=$(VERSION) hack/image hubserver $(EXAMPLE_IMAGE) ./hack/e2e/example

.PHONY: chart
chart: ## Check the chart and package it into bin
	@$(MAKE) --no-print-directory bin/helm
	bin/helm lint --strict --quiet charts/chatcluster
	bin/helm package --destination bin charts/chatcluster

bin/helm: hack/manifests/go.mod
	$(GO) -C hack/manifests build -trimpath -ldflags '-s -w' -o ../../bin/helm helm.sh/helm/v4/cmd/helm

##@ Kubernetes

.PHONY: install
install: ## Install the CustomResourceDefinition into the cluster that kubectl talks to
	kubectl apply --server-side --force-conflicts -f config/crd/bases

.PHONY: run
run: ## Run the operator here, for the cluster that kubectl talks to; RUN_FLAGS are further flags
	$(GO) run -ldflags '$(LDFLAGS)' ./controllers/cmd/operator $(if $(HUB_IMAGE),--hub-image $(HUB_IMAGE)) $(RUN_FLAGS)

.PHONY: deploy
deploy: ## Install the operator with the images HUB_IMAGE and OPERATOR_IMAGE into the cluster that kubectl talks to
	kubectl kustomize config/default | \
	  sed 's|docker.io/chatcluster/operator:[^ ]*|$(OPERATOR_IMAGE)|; s|docker.io/chatcluster/hubserver:[^ ]*|$(HUB_IMAGE)|' | \
	  kubectl apply --server-side -f -
	kubectl -n chatcluster-system rollout status deployment/chatcluster-operator --timeout=5m

.PHONY: undeploy
undeploy: ## Remove the operator; the kind and all ChatClusters stay
	kubectl delete --ignore-not-found namespace chatcluster-system
	kubectl delete --ignore-not-found clusterrole,clusterrolebinding \
	  -l 'app.kubernetes.io/name=chatcluster-operator,app.kubernetes.io/instance=chatcluster,app.kubernetes.io/managed-by!=Helm'

.PHONY: uninstall
uninstall: ## Remove the CustomResourceDefinition and with it every ChatCluster of that cluster
	kubectl delete --ignore-not-found -f config/crd/bases

##@ Test

# What make test gives to go test for the packages of this module.
TESTFLAGS ?= -timeout 5m

.PHONY: test
test: page ## Run all tests; what needs something that is absent says so and is skipped
	$(GO) test $(TESTFLAGS) ./...
	$(GO) -C hack/envtest test ./...
	$(GO) -C hack/manifests test ./...
	cd server/web && $(NPM) test
	cd server/web && $(NPM) run --silent test:browser
	$(MAKE) --no-print-directory clients

.PHONY: clients
clients: ## Run Microsoft's JavaScript and Java clients and a Python one against two servers
	cd hack/clients/javascript && $(NPM) ci --no-audit --no-fund --loglevel=error && $(NPM) test
	hack/clients/python/test
	hack/clients/java/test

.PHONY: race
race: ## Run the Go tests with the race detector
	$(GO) test -race -timeout 10m ./...

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME
	$(GO) run ./hack/fuzz $(FUZZTIME)

.PHONY: conformance
conformance: ## Run the rows of the protocol against this server and, where it is, ASP.NET Core
	@cd server/cmd/conformance/suite && CONFORMANCE=1 $(GO) test -count=1 -timeout 20m

.PHONY: envtest
envtest: ## Print where the kube-apiserver and etcd for tests of the operator are, downloading them if need be
	@$(GO) -C hack/envtest run .

.PHONY: envtest-build
envtest-build: ## Like envtest; build both from their Go modules where they cannot be downloaded (30 minutes)
	@$(GO) -C hack/envtest run . --build

.PHONY: e2e
e2e: ## Run the end-to-end suite on the kind cluster KIND_CLUSTER that KUBECONFIG names (E2E=ci or full)
	hack/e2e/on-kind $(KIND_CLUSTER) -v

.PHONY: bench
bench: ## Measure two of our servers beside two of ASP.NET Core's, on one Redis
	$(GO) run ./hack/bench compare

.PHONY: soak
soak: ## Let 1,000 clients come and go for SOAK, then see what they left behind in two servers
	$(GO) run ./hack/bench soak --duration $(SOAK)

.PHONY: handover
handover: ## Roll, scale, pause and kill servers behind HAProxy, and count what 550 clients notice (HANDOVER=--short: 60)
	@[ -d hack/clients/javascript/node_modules/ws ] || (cd hack/clients/javascript && $(NPM) ci --no-audit --no-fund --loglevel=error)
	$(GO) run ./hack/bench handover $(HANDOVER)

##@ Check

.PHONY: lint
lint: ## Run the linters
	$(GO) run $(GOLANGCI) run ./...

.PHONY: lint-api
lint-api: ## Run the linter of Kubernetes APIs
	$(GO) run $(KUBE_API_LINTER) run -c .golangci-kal.yml ./api/...

.PHONY: lint-workflows
lint-workflows: ## Run the linters of GitHub workflows and shell scripts, and see that each action is pinned to a commit
	$(GO) run $(ACTIONLINT)
	@if command -v shellcheck >/dev/null; then git grep -lzE '^#!.*[ /]bash' | xargs -0 shellcheck; \
	  else echo "make lint-workflows: shellcheck is missing: the scripts are not checked" >&2; fi
	@if grep -rnE '^ *(- )?uses:' .github | grep -vE 'uses: (\./|[^ ]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$$)'; then \
	  echo "make lint-workflows: name a full commit, and its version in a comment" >&2; exit 1; fi

.PHONY: vulnerabilities
vulnerabilities: ## Look for known vulnerabilities in what the binaries and the page are made of
	$(GO) run $(GOVULNCHECK) ./...
	cd server/web && $(NPM) audit --omit=dev

.PHONY: generate
generate: ## Generate the deep copies of the API's types
	$(GO) run $(CONTROLLER_GEN) object paths=./api/...

.PHONY: manifests
manifests: ## Generate the definition of the kind, the operator's role, and what the chart and install.yaml have of them
	$(GO) run $(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(GO) run $(CONTROLLER_GEN) rbac:roleName=chatcluster-operator paths=./controllers/... output:rbac:dir=config/rbac
	$(GO) -C hack/manifests run .

.PHONY: verify
verify: ## Fail if generated text or go.mod is out of date
	hack/verify

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin server/web/node_modules server/web/.angular hack/clients/javascript/node_modules hack/clients/python/.venv hack/clients/java/target
	rm -rf server/web/dist/page

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
