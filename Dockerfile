# A static binary, the CA certificates and a user without rights; nothing else.
#
#	docker build -t tokencli .
#	docker run --rm -e TOKENCLI_STORE=env -e TOKENCLI_MONTA_CLIENT_ID -e TOKENCLI_MONTA_CLIENT_SECRET tokencli token monta
#
# docs/server.md shows a container that keeps its logins in a volume.
FROM docker.io/library/golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/tokencli . \
	&& mkdir -m 700 -p /out/home/.config /out/home/.local/state /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/tokencli /usr/bin/tokencli
COPY --from=build --chown=65532:65532 /out/home /home/tokencli
COPY --from=build --chown=65532:65532 /out/tmp /tmp
USER 65532:65532
ENV HOME=/home/tokencli TOKENCLI_STORE=file
VOLUME /home/tokencli
ENTRYPOINT ["/usr/bin/tokencli"]
