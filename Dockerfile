# The images of the hub server (the default target) and of the operator (--target operator): static binaries in a small
# image that runs as nobody and has no shell. Page and binaries are built on the platform of the builder, whatever the
# platform of the image: no step is emulated. (The classic builder names no platform: its own is taken.)
#
# Behind a proxy that has its own certificate authority, name an image that has its certificates:
#   docker build --build-arg CERTIFICATES=registry.example.com/base .
ARG CERTIFICATES=gcr.io/distroless/static-debian12:nonroot
FROM --platform=${BUILDPLATFORM:-linux} ${CERTIFICATES} AS certificates

FROM --platform=${BUILDPLATFORM:-linux} node:20-bookworm-slim AS page
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
WORKDIR /src/server/web
COPY server/web/package.json server/web/package-lock.json server/web/.npmrc ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY server/web/ ./
RUN npm run --silent build

FROM --platform=${BUILDPLATFORM:-linux} golang:1.26 AS modules
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
ARG GOPROXY
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download

FROM modules AS build-operator
ARG VERSION=dev
ARG TARGETARCH
COPY api/ api/
COPY controllers/ controllers/
RUN CGO_ENABLED=0 GOARCH=${TARGETARCH} go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./controllers/cmd/operator

FROM modules AS build-hubserver
ARG VERSION=dev
ARG COMMIT=
ARG TARGETARCH
COPY server/ server/
COPY --from=page /src/server/web/dist/page/ server/web/dist/page/
RUN CGO_ENABLED=0 GOARCH=${TARGETARCH} go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /out/ ./server/cmd/hubserver

# What follows needs nothing but what was built: hack/image puts binaries of this machine there instead.
FROM gcr.io/distroless/static-debian12:nonroot AS operator
COPY --from=build-operator /out/operator /
USER 65532:65532
ENTRYPOINT ["/operator"]

FROM gcr.io/distroless/static-debian12:nonroot AS hubserver
COPY --from=build-hubserver /out/hubserver /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/hubserver"]
CMD ["--urls", "http://0.0.0.0:8080"]
