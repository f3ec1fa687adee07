# Everything that is done with this repository. `make` alone lists it.

SHELL    := /usr/bin/env bash
ARGS     ?=
ALL      ?=
BENCH    ?= .
COUNT    ?= 1
FUZZTIME ?= 60s

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The version comes by -ldflags, so Go need not ask git, which refuses in a
# checkout that belongs to somebody else.
GOBUILD := go build -trimpath -buildvcs=false -ldflags "-X main.version=$(VERSION)"

.DEFAULT_GOAL := help
.PHONY: help run build plugins test bench lint fmt fuzz tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build and serve; ARGS="--exposure lan" and the like are passed on
	bin/takhost serve $(ARGS)

build: plugins ## build the plugins and bin/takhost
	CGO_ENABLED=0 $(GOBUILD) -o bin/takhost ./cmd/takhost

plugins: ## build the plugins that ship with takhost, those whose sources changed
	@scripts/plugins.sh

test: ## everything that must hold; ALL=1 fails when a tool is missing
	@VERSION='$(VERSION)' ALL='$(ALL)' scripts/test.sh

bench: ## Go benchmarks; BENCH=regexp, COUNT=10 for benchstat
	@scripts/bench.sh '$(BENCH)' '$(COUNT)'

lint: ## formatting, go vet, staticcheck
	@scripts/lint.sh

fmt: ## format all Go files
	@scripts/gofiles.sh | xargs -0 gofmt -s -w

fuzz: ## run every fuzz target for FUZZTIME (60s each), stop at the first finding
	@scripts/fuzz.sh '$(FUZZTIME)'

tools: ## install what the tests need beyond Go (Debian: apt-get; PyTAK into .tools/venv)
	@scripts/tools.sh

clean: ## remove what was built here; data of a server stays
	rm -rf bin .tools plugins/dist/built/*.takplugin plugins/dist/built/*.sources
