# What CI runs and what a person runs are the same targets; .ci/run runs them all.
# Needs Go and make. The linter and goreleaser are built on first use (.ci/tools), in the pinned version.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
BINARY  := tokencli$(shell go env GOEXE)
# Where `make completions` writes.
COMPLETIONS ?= completions
TARGETS := windows/amd64 windows/arm64 darwin/arm64 linux/arm64
# The tests that meet the system's own keychain.
KEYCHAIN_TESTS := Keychain|Script/keychain
# Empty on a machine whose own keychain may be written to.
WITH_KEYRING ?= .ci/with-keyring

.PHONY: build
build: ## build the binary as it is released
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BINARY) .

.PHONY: test
test: ## run the tests, as the README says it
	go test ./...

.PHONY: race
race: ## run the tests under the race detector (needs a C compiler)
	go test -race ./...

.PHONY: keychain-test
keychain-test: ## run the keychain tests against a real Secret Service, in a session of their own
	$(WITH_KEYRING) go test -count=1 -run '$(KEYCHAIN_TESTS)' ./...

.PHONY: lint
lint: ## hold the rules of .golangci.yml, the layers among them
	"$$(.ci/tools golangci-lint)" run ./...

.PHONY: format
format: ## lay out the code as lint wants it
	"$$(.ci/tools golangci-lint)" fmt ./...

.PHONY: cross
cross: ## build and vet for the other systems
	@set -e; for target in $(TARGETS); do \
		echo "build and vet for $$target"; \
		export GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0; \
		go build -trimpath ./...; \
		go vet ./...; \
	done

.PHONY: completions
completions: build ## write the shell completions from the built binary
	mkdir -p '$(COMPLETIONS)'
	./$(BINARY) completion bash >'$(COMPLETIONS)/tokencli.bash'
	./$(BINARY) completion zsh >'$(COMPLETIONS)/_tokencli'
	./$(BINARY) completion fish >'$(COMPLETIONS)/tokencli.fish'
	./$(BINARY) completion powershell >'$(COMPLETIONS)/tokencli.ps1'

.PHONY: snapshot
snapshot: ## build every release binary into dist/, without a tag
	"$$(.ci/tools goreleaser)" build --snapshot --clean

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' Makefile
