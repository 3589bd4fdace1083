# CI runs these targets too; .ci/run runs all of them. They need Go and make. The linter and goreleaser are built on
# first use, in the pinned version (.ci/tools).

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
	$(WITH_KEYRING) go test -count=1 -p 1 -run '$(KEYCHAIN_TESTS)' ./...

.PHONY: vault-test
vault-test: ## run the tests of the vault store against a real Vault server (built on first use, minutes)
	vault=$$(.ci/tools testvault) && export TOKENCLI_TEST_VAULT=$$vault && \
	go test -count=1 -run 'Vault|Script/vault' ./internal/store ./internal/session && \
	go test -count=1 -timeout 30m -parallel 16 -run 'Vault|Script/vault' ./internal/acceptance -vault-outages 1

.PHONY: vault-soak
vault-soak: ## drive the vault store: many machines, kills, outages, thousands of accounts; prints figures (docs/team.md)
	vault=$$(.ci/tools testvault) && TOKENCLI_TEST_VAULT=$$vault go test -count=1 -v -timeout 2h -parallel 32 -run 'VaultSoak|VaultKills|VaultOutages' ./internal/acceptance \
		-vault-rounds 50 -vault-kills 200 -vault-accounts 10000 -vault-outages 3

CONFORMANCE_FLAGS ?=

.PHONY: conformance
conformance: ## log in at third-party OAuth servers (built on first use; oidc-provider needs npm), also with the keychain
	@set -e; TOKENCLI_TEST_OIDC_PROVIDER=$$(.ci/tools oidc-provider); TOKENCLI_TEST_ZITADEL=$$(.ci/tools zitadel); \
	export TOKENCLI_TEST_OIDC_PROVIDER TOKENCLI_TEST_ZITADEL; \
	$(WITH_KEYRING) go test $(CONFORMANCE_FLAGS) -count=1 -run '^TestConformance$$' ./internal/acceptance

.PHONY: windows-test
windows-test: ## run what differs on Windows under Wine, with its Credential Manager
	.ci/with-wine .ci/windows-test

# Every page of a login as Chromium shows it; those in DOCUMENTED stand in docs/images.
SCREENSHOTS := dist/screenshots
DOCUMENTED := allowed-desktop-light denied-phone-dark stranger-phone-light

.PHONY: screenshots
screenshots: ## take pictures of the browser's pages (needs chromium and chromedriver), and write docs/images
	mkdir -p $(SCREENSHOTS) docs/images
	go test -count=1 -run '^TestChromium$$' ./internal/acceptance -screenshots $(abspath $(SCREENSHOTS))
	cp $(DOCUMENTED:%=$(SCREENSHOTS)/%.png) docs/images/

# What is measured, and the programs it is measured against.
BENCH := dist/bench
BENCH_FLAGS ?= -write docs/performance.md

.PHONY: bench
bench: ## measure what a token costs, beside a keychain of its own, and write docs/performance.md (TOKENCLI_TEST_VAULT: with Vault)
	@mkdir -p $(BENCH)
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BENCH)/tokencli .
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(BENCH)/ ./internal/bench ./internal/bench/hello ./internal/bench/keyring
	.ci/with-keyring $(BENCH)/bench -bin $(BENCH) $(BENCH_FLAGS)
	go test -run '^$$' -bench Proxy -count 3 ./internal/proxy

# How long each fuzz target runs.
FUZZ_TIME ?= 2m

.PHONY: fuzz
fuzz: ## run every fuzz target, one after the other, for FUZZ_TIME each
	@set -e; \
	found=$$(go test -list '^Fuzz' ./...); \
	echo "$$found" | awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 1x "$$package" </dev/null; \
	done

SOAK := dist/soak
SOAK_TIME ?= 10m
SOAK_FLAGS ?=

.PHONY: soak
soak: ## drive tokencli for SOAK_TIME while everything goes wrong, and print figures (docs/reliability.md)
	@mkdir -p $(SOAK)
	CGO_ENABLED=0 go build -trimpath -tags soak -ldflags '-s -w -X main.version=$(VERSION)' -o $(SOAK)/tokencli .
	CGO_ENABLED=0 go build -trimpath -o $(SOAK)/soak ./internal/soak
	.ci/with-keyring $(SOAK)/soak -binary $(SOAK)/tokencli -time $(SOAK_TIME) $(SOAK_FLAGS)

# A file for another system is read only when linting for that system.
LINT_SYSTEMS ?= linux windows darwin

.PHONY: lint
lint: ## check the rules of .golangci.yml, the layers among them, for every system
	@set -e; linter=$$(.ci/tools golangci-lint); \
	for system in $(LINT_SYSTEMS); do \
		echo "lint for $$system"; \
		GOOS=$$system CGO_ENABLED=0 "$$linter" run ./...; \
	done

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

export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
export COMMIT_DATE = $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)

.PHONY: snapshot
snapshot: ## build every archive and package into dist/, without a tag
	"$$(.ci/tools goreleaser)" release --snapshot --clean --skip=sbom,sign

.PHONY: release
release: ## build, sign and publish the tagged version (run by the release workflow)
	"$$(.ci/tools goreleaser)" release --clean --release-notes packaging/notes.md

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' Makefile
