# gitsync. `make` lists what there is.
SHELL       := /bin/bash
.DELETE_ON_ERROR:
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X main.version=$(VERSION)
GOLANGCI    := .tools/bin/golangci-lint-$(shell awk '/golangci-lint\/v2 v/ {print $$2}' tools/go.mod)
GITEA_VERSION := $(shell awk '/code.gitea.io\/gitea v/ {print $$2}' e2e/forge/go.mod)
GITEA       := .tools/bin/gitea-$(GITEA_VERSION)
FUZZTIME    ?= 3s
BENCHTIME   ?= 10x
TESTTIMEOUT ?= 60m
CA_FILE     ?= /etc/ssl/certs/ca-certificates.crt
GOTESTFLAGS ?=

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/gitsync: static, trimmed, version stamped
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/gitsync ./cmd/gitsync

.PHONY: image
image: build ## build the image gitsync, for one gitsync on each host
	cp $(CA_FILE) bin/ca-certificates.crt
	docker build -t gitsync:$(VERSION) -t gitsync:latest -f Dockerfile bin

.PHONY: demo
demo: build ## a tour: deploy, change, break and repair, on this machine
	bin/gitsync demo

.PHONY: test
test: docker-state ## all tests, with the race detector, and a few seconds of each fuzz target
	go vet ./...
	go test -race -timeout $(TESTTIMEOUT) $(GOTESTFLAGS) ./...
	$(MAKE) --no-print-directory fuzz

.PHONY: test-long
test-long: ## all tests at length
	GITSYNC_LONG=1 $(MAKE) test FUZZTIME=60s TESTTIMEOUT=60m

.PHONY: test-forge
test-forge: $(GITEA) build ## what forges are told, with a real Gitea
	cd e2e/forge && go vet ./...
	cd e2e/forge && GITSYNC_REQUIRE_FORGE=1 go test -race -timeout $(TESTTIMEOUT) $(GOTESTFLAGS) ./...

.PHONY: gitea
gitea: $(GITEA) ## build Gitea for test-forge, once: some minutes

# From the module proxy, in the module that pins it, with C for SQLite.
$(GITEA):
	cd e2e/forge && CGO_ENABLED=1 go build -tags 'sqlite sqlite_unlock_notify' \
		-ldflags '-s -w -X main.Version=$(GITEA_VERSION:v%=%)' -o ../../$@ code.gitea.io/gitea

.PHONY: docker-state
docker-state:
	@if version=$$(timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null); then \
		echo "Docker $$version answers: the tests use it."; \
	elif [ -n "$$GITSYNC_REQUIRE_DOCKER" ]; then \
		echo "Docker does not answer, and GITSYNC_REQUIRE_DOCKER is set." >&2; exit 1; \
	else \
		echo "Docker does not answer: the tests that need it are skipped, and the memory runtime is tested instead."; \
	fi

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (2000x: so many inputs; or 5m)
	@set -e; grep -rlE '^func Fuzz' --include='*_test.go' --exclude-dir=testdata . | while read -r file; do \
		dir=$$(dirname "$$file"); \
		for target in $$(grep -oE '^func Fuzz[A-Za-z0-9_]+' "$$file" | cut -d' ' -f2); do \
			echo "fuzz $$dir $$target"; \
			if output=$$(go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$dir" 2>&1 </dev/null); then \
				echo "$$output" | tail -1; \
			elif echo "$$output" | grep -q 'context deadline exceeded' && ! echo "$$output" | grep -q 'Failing input'; then \
				echo "ok  	the time was up while an input was tried (golang/go#75804)"; \
			else \
				echo "$$output"; exit 1; \
			fi; \
		done; \
	done

.PHONY: bench
bench: ## run the benchmarks
	@set -e; for dir in $$(grep -rlE '^func Benchmark' --include='*_test.go' --exclude-dir=testdata . | xargs -r dirname | sort -u); do \
		go test -run '^$$' -bench . -benchtime $(BENCHTIME) "$$dir"; \
	done

.PHONY: lint
lint: $(GOLANGCI) ## golangci-lint, gofmt, go.mod tidy and verified
	@files=$$(gofmt -l $$(git ls-files -co --exclude-standard --deduplicate '*.go')); \
		[ -z "$$files" ] || { echo "run gofmt -w on:" $$files >&2; exit 1; }
	go mod tidy -diff
	go mod verify
	cd e2e/forge && go list -deps -test ./... >/dev/null # what the main module raises, that one must too
	$(GOLANGCI) config verify
	$(GOLANGCI) run --allow-parallel-runners ./...

# Built from the module proxy, at the version that tools/go.mod pins.
$(GOLANGCI):
	cd tools && CGO_ENABLED=0 go build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .tools
