# The page, then static binaries, then a small image that runs as nobody and has no shell.
FROM node:20-bookworm-slim AS page
WORKDIR /src/server/web
COPY server/web/package.json server/web/package-lock.json server/web/.npmrc ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY server/web/ ./
RUN npm run --silent build

FROM golang:1.26 AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY server/ server/
COPY --from=page /src/server/web/dist/page/ server/web/dist/page/
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./server/cmd/hubserver ./server/cmd/demo

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/hubserver /out/demo /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/hubserver"]
CMD ["--urls", "http://0.0.0.0:8080"]
