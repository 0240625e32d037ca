# Plain `go build ./cmd/logkeel` works as well; this adds the version.

GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME    ?= 10s
FAULTS      ?= 200
BENCH       ?= .
COST        ?= 5m
QUERIES     ?=
CADVISOR    ?=
BENCHFLAGS  ?=
VERSIONS    ?=

.PHONY: help build image release release-check run demo test lint bench exporters microbench fuzz faults alertfaults versions

help: ## print the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

build: ## build bin/logkeel, static, for this machine
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/logkeel ./cmd/logkeel

image: build ## build the Docker image logkeel from bin/logkeel
	cp deploy/logkeel/agent.yaml $(wildcard /etc/ssl/certs/ca-certificates.crt) bin/
	docker build --tag logkeel --file deploy/Dockerfile bin

release: ## make dist/: an archive for each of amd64 and arm64, the same bytes from the same commit; VERSION, ARCHES
	deploy/release.sh

release-check: ## build the release twice, in two folders and from nothing, and compare
	go test -tags release -count 1 ./deploy -run TestReleaseIs
	deploy/release-check.sh

run: build ## build it and run it with agent.yaml
	bin/logkeel run

demo: build ## build it, and show the whole pipeline with stand-ins
	bin/logkeel demo

# One way to compile for all of it, as releases are, so that little is compiled twice.
test: export GOFLAGS := -trimpath -buildvcs=false $(GOFLAGS)
test: export CGO_ENABLED := 0
test: ## lint, all tests with the race detector and real servers, cross builds
	agent/testenv/install.sh
	$(MAKE) --no-print-directory lint
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=100 go test -race -vet=off -timeout 25m -p 3 -parallel 4 ./cmd/logkeel $$(go list ./... | grep -v /cmd/logkeel$$)
	go test -vet=off ./rules/... -run Alloc
	go run ./cmd/logkeel test --packs --require-tests
	go vet -tags portable ./rules/... ./collectors/tail
	go test -vet=off -tags portable ./rules/... ./collectors/tail -run 'Find|Every|Adjacent|OnlyBodies|Sweep|Filter|FuzzMatch|Siev|Usual|Marks'
	@set -e; for arch in amd64 arm64; do \
		echo "build linux/$$arch"; \
		GOOS=linux GOARCH=$$arch go build -o /dev/null ./cmd/logkeel; \
	done

lint: ## gofumpt, go vet, staticcheck, shellcheck
	@echo gofumpt; files=$$(go run $(GOFUMPT) -l .) && \
		if [ -n "$$files" ]; then echo "not formatted; run: go run $(GOFUMPT) -w ."; echo "$$files"; exit 1; fi
	go vet -tags measure,release ./...
	@echo staticcheck; go run $(STATICCHECK) ./...
	@if command -v shellcheck >/dev/null; then \
		echo shellcheck; git grep -lE '^#!/.*[/ ](ba)?sh$$' | xargs shellcheck; \
	elif [ "$$CI" = true ]; then \
		echo 'shellcheck is missing; install the package shellcheck' >&2; exit 1; \
	else \
		echo 'shellcheck is missing: scripts are not checked'; \
	fi

bench: ## measure logkeel and the peers that are installed; BENCHFLAGS=-h says how
	go run ./bench $(BENCHFLAGS)

microbench: ## run the benchmarks of functions; BENCH=regexp picks some
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

faults: ## run the fault campaign as root: FAULTS (200) runs, as many beyond the rotated files, and an outage of a minute; `make test` has four
	go test -count 1 -timeout 0 -parallel 8 -run "TestFaults|TestOutage" -v ./cmd/logkeel -faults $(FAULTS) -outage 1m

exporters: ## compare with the exporters that the agent stands in for: series, what it costs (COST=5m), and queries of dashboards and rules (QUERIES=folder)
	go test -tags measure -count 1 -timeout 0 -v ./bench/exporters -run 'Series|Cost$(if $(QUERIES),|Queries)' -cost $(COST) $(if $(QUERIES),-queries $(abspath $(QUERIES))) $(if $(CADVISOR),-cadvisor $(CADVISOR)) | grep -v '^ *ts='
	go test -tags measure -count 1 -timeout 0 -v ./bench/exporters -run Cost -small -cost $(COST) $(if $(CADVISOR),-cadvisor $(CADVISOR)) | grep -v '^ *ts='

alertfaults: ## as long as they are meant to be: kills while it mails, a storm of a million lines, a server that answers 451; half an hour
	go test -count 1 -timeout 0 -parallel 1 -run 'TestKilledWhileItMails|TestStorm' -v ./cmd/logkeel -mailkills 100 -stormlines 1000000
	go test -count 1 -timeout 0 -run TestRealDeferred -v ./outputs/email -deferred 10m

versions: ## run the tests of the samplers with other MariaDB, MySQL, PostgreSQL, Redis and Valkey, in chroots, as root; VERSIONS=names
	agent/testenv/versions.sh $(VERSIONS)

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@set -e; grep -rn --include='*_test.go' '^func Fuzz' . | sed 's|^\(.*\)/[^/]*:[0-9]*:func \(Fuzz[A-Za-z0-9_]*\).*|\1 \2|' | sort | \
	while read -r dir name; do \
		echo "$$dir $$name"; \
		go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) "$$dir" </dev/null; \
	done
