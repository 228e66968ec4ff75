# make test    everything that CI runs: installs what the tests need, then all tests (README)
# make quick   unit and conformance tests of the packages, for the inner loop; those that need a server are skipped
# make bench   the table of docs/performance.md, measured here
# make soak    longer runs: clients from other registries (Maven, npm), model tests under many seeds, drills, fuzz targets
# make build   bin/truckee
# make s3-conformance S3TESTS=<checkout of ceph/s3-tests>    remakes docs/s3-conformance.md

GO      ?= go
FUZZ    ?= 10s
# The end-to-end tests drive the built binary, so the race detector, which slows
# it, is for the packages only.
UNIT     = $$($(GO) list ./... | grep -v /tests/)
# How many packages, or end-to-end tests, run at a time: many wait half of their time
# and more, for servers, disks, clients and time-outs.
AT_ONCE  = $$((2 * $$(getconf _NPROCESSORS_ONLN)))

# Vet, staticcheck, services and end-to-end tests are built as the binary that
# users get, so that each dependency is compiled once. The race detector needs cgo.
export GOFLAGS     := $(filter-out -trimpath,$(GOFLAGS)) -trimpath
export CGO_ENABLED := 0
race soak-models soak-radosgw: export CGO_ENABLED := 1

.PHONY: test quick lint serviced race e2e fuzz bench build deps clean s3-conformance

test: deps lint serviced

quick:
	$(GO) vet ./...
	$(GO) test -vet=off $(UNIT)

build:
	$(GO) build -o bin/truckee ./cmd/truckee

deps:
	GO="$(GO)" sh scripts/test-deps.sh

lint:
	@unformatted=$$($(GO) tool gofumpt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run: go tool gofumpt -w .):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@# -e: a test of a dependency may want a module that the proxy at hand lacks.
	$(GO) mod tidy -e -diff 2>/dev/null

# race and e2e beside the servers that they need, started once (tests/services).
serviced:
	TRUCKEE_TEST_REQUIRE=1 $(GO) run ./tests/services -- $(MAKE) race e2e

race:
	$(GO) test -race -vet=off -shuffle=on -p $(AT_ONCE) -timeout 30m $(UNIT)

e2e:
	$(GO) test -vet=off -count=1 -parallel $(AT_ONCE) -timeout 45m ./tests/...

# Every fuzz target for $(FUZZ); a crasher that it finds belongs into testdata/fuzz.
fuzz:
	GO="$(GO)" sh scripts/fuzz.sh $(FUZZ)

# Every part goes on when another has failed; `make soak-clients` is one alone, with
# what it needs installed. FUZZ, SEEDS and RUNS say how long.
SOAK   = soak-clients soak-models soak-gateways soak-radosgw soak-fuzz
SEEDS ?= 100
RUNS  ?= 5
LONG   = TRUCKEE_TEST_REQUIRE=1 TRUCKEE_TEST_SOAK=1
.PHONY: soak soak-deps $(SOAK)

soak: soak-deps
	$(MAKE) -k -j1 $(SOAK)

soak-deps:
	GO="$(GO)" sh scripts/test-deps.sh soak

soak-clients:
	$(LONG) $(GO) test -vet=off -count=1 -timeout 90m -run ClientFar ./tests/e2e

soak-models:
	$(GO) test -race -vet=off -count=$(SEEDS) -timeout 120m -run Against ./filestore/...

soak-gateways:
	$(LONG) $(GO) run ./tests/services -- $(GO) test -vet=off -count=$(RUNS) -parallel $(AT_ONCE) -timeout 180m -run 'Gateways|DoorsAtOnce|Churn|Drill|RandomOperations|POSIX' ./tests/e2e

soak-radosgw:
	TRUCKEE_TEST_REQUIRE=1 $(GO) run ./tests/services -only radosgw,swift,versity -- $(GO) test -race -vet=off -count=1 -timeout 30m -run 'Conformance|Faults|Crashes|Prefix' ./blockstore/s3
	TRUCKEE_TEST_REQUIRE=1 $(GO) run ./tests/services -only radosgw,postgres -- $(GO) test -vet=off -count=1 -timeout 30m -run 'Gateways|Churn|BackupAndRestore|SecondMetastore|SQLiteToGateways' ./tests/e2e

soak-fuzz: FUZZ = 60s
soak-fuzz: fuzz

bench:
	$(GO) run ./tests/bench
	$(GO) run ./tests/bench/metastore
	$(GO) run ./tests/bench/storage
	$(GO) run ./tests/bench/s3

s3-conformance:
	$(GO) run ./tests/s3conformance -s3tests "$(S3TESTS)" -markdown docs/s3-conformance.md

clean:
	rm -rf bin
