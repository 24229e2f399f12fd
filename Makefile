# Everything that developers and CI run. `make` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help

GO       ?= go
NPM      ?= npm
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
IMAGE    ?= chatcluster/chatcluster:$(VERSION)
# Linters of the pinned version are kept out of go.mod: they need more modules than the product.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# So are the generators, and the linter of Kubernetes APIs, which brings its own golangci-lint.
CONTROLLER_GEN := sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0
KUBE_API_LINTER := sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter@v0.0.0-20260716143926-092fe0c72997
FUZZTIME ?= 5s
SOAK     ?= 30m

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

.PHONY: image
image: ## Build the container image $(IMAGE)
	docker build --build-arg VERSION=$(VERSION) -t $(IMAGE) .

##@ Kubernetes

.PHONY: install
install: ## Install the CustomResourceDefinition into the cluster that kubectl talks to
	kubectl apply --server-side -f config/crd/bases

.PHONY: run
run: ## Run the operator here, for the cluster that kubectl talks to; RUN_FLAGS are further flags
	$(GO) run -ldflags '$(LDFLAGS)' ./controllers/cmd/operator --hub-image $(HUB_IMAGE) $(RUN_FLAGS)

.PHONY: uninstall
uninstall: ## Remove the CustomResourceDefinition and with it every ChatCluster of that cluster
	kubectl delete --ignore-not-found -f config/crd/bases

##@ Test

.PHONY: test
test: page ## Run all tests; what needs something that is absent says so and is skipped
	$(GO) test -timeout 5m ./...
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
	hack/fuzz $(FUZZTIME)

.PHONY: conformance
conformance: ## Run the rows of the protocol against this server and, where it is, ASP.NET Core
	@cd server/cmd/conformance/suite && CONFORMANCE=1 $(GO) test -count=1 -timeout 20m

.PHONY: envtest
envtest: ## Print where the kube-apiserver and etcd for tests of the operator are, downloading them if need be
	@$(GO) -C hack/envtest run .

.PHONY: envtest-build
envtest-build: ## Like envtest; build both from their Go modules where they cannot be downloaded (30 minutes)
	@$(GO) -C hack/envtest run . --build

.PHONY: bench
bench: ## Measure two of our servers beside two of ASP.NET Core's, on one Redis
	$(GO) run ./hack/bench compare

.PHONY: soak
soak: ## Let 1,000 clients come and go for SOAK, then see what they left behind in two servers
	$(GO) run ./hack/bench soak --duration $(SOAK)

##@ Check

.PHONY: lint
lint: ## Run the linters
	$(GO) run $(GOLANGCI) run ./...

.PHONY: lint-api
lint-api: ## Run the linter of Kubernetes APIs
	$(GO) run $(KUBE_API_LINTER) run -c .golangci-kal.yml ./api/...

.PHONY: generate
generate: ## Generate the deep copies of the API's types
	$(GO) run $(CONTROLLER_GEN) object paths=./api/...

.PHONY: manifests
manifests: ## Generate the CustomResourceDefinition in config/crd/bases and the role in config/rbac
	$(GO) run $(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(GO) run $(CONTROLLER_GEN) rbac:roleName=chatcluster-operator paths=./controllers/... output:rbac:dir=config/rbac

.PHONY: verify
verify: ## Fail if generated text or go.mod is out of date
	hack/verify

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin server/web/node_modules server/web/.angular hack/clients/javascript/node_modules hack/clients/python/.venv hack/clients/java/target
	rm -rf server/web/dist/page

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
