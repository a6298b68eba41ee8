# Meantime's one door. `make demo` and `make test` do all their own set-up: they say what they install, reuse what
# is there (caches outside the checkout, so that a fresh clone is warm) and can be run again. `make help` lists all.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export MEANTIME_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/meantime
export CARGO_TARGET_DIR ?= $(MEANTIME_CACHE)/target
PROVIDER := tests/cluster/provider
PURE := -p meantime-core -p meantime-candm -p meantime-ntp -p meantime-peer
UNIT := $(PURE) -p meantime-crds -p meantime-operator -p meantime-agent

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

.PHONY: demo
demo: ## the main job on a real kind cluster: trouble of ten kinds, each told truthfully
	tests/demo/run

.PHONY: test
test: ## every layer below (kind beside those that leave it room); ends with a list of layers and their times
	tests/run-layers $(LAYERS)

.PHONY: test-lint test-unit test-fleet test-wire test-api test-agent test-vm test-chart test-kind
test-lint: ## formatting, lints, licences, generated files
	tests/run-layers lint
test-unit: ## pure code, under a minute when built
	tests/run-layers unit

test-fleet: ## simulated fleets: labelled scenarios, a busy day, a leap second, migrations
	tests/run-layers fleet
test-wire: ## our codecs against real chronyd 4.0, 4.3, 4.6.1, 4.9; the time lab
	tests/run-layers wire
test-agent: ## the agent's binary with real chronyd on loopback
	tests/run-layers agent
test-api: ## CRDs, admission and the operator on a real API server (etcd + kube-apiserver alone)
	tests/run-layers api
test-vm: ## real clocks, in a micro-VM: step, slew, pause, lie
	tests/run-layers vm
test-chart: ## the Helm chart: lint, schema, rendered objects; the alerts' rules
	tests/run-layers chart
test-kind: ## the demo's scenes, tokens, outage, upgrade, names, alerts and uninstall on a kind cluster
	tests/run-layers kind

.PHONY: test-long
test-long: ## scenes longer than a minute at full length (an API server away for five minutes, …)
	tests/run-layers long

.PHONY: bench
bench: ## the figures: our client against chronyc, an agent's memory and CPU, planning, sizes (warm 6 minutes)
	tests/bench/run $(BENCH)

.PHONY: bench-failover
bench-failover: ## our agent against chrony alone while sources die or lie (an hour; BENCH=--quick: 6 minutes)
	tests/bench/failover $(BENCH)

.PHONY: crds
crds: ## write the CRD YAML from the Rust types
	tests/own-builds
	cargo run -q -p meantime-crds --bin crdgen
	cp crds/*.yaml charts/meantime/files/crds/

.PHONY: clean-up
clean-up: ## stop and remove all that demo and tests started (caches stay; `make clean-caches` removes those)
	$(PROVIDER) down --all
	$(PROVIDER) stop-engine

.PHONY: clean-caches
clean-caches: clean-up ## remove the caches too (the next run is cold)
	rm -rf "$(MEANTIME_CACHE)"

.PHONY: alerts
alerts: ## copy alerts/ into the chart (rules and kube-state-metrics' configuration are written once)
	cp alerts/rules.yaml alerts/kube-state-metrics.yaml alerts/dashboard.json charts/meantime/files/alerts/

.PHONY: check-crds
check-crds: # the chart carries the CRDs that the types make, and the alerts
	@for f in rules.yaml kube-state-metrics.yaml dashboard.json; do cmp -s "alerts/$$f" "charts/meantime/files/alerts/$$f" || { echo "charts/meantime/files/alerts/$$f differs from alerts/$$f: run make alerts" >&2; exit 1; }; done
	@for f in crds/*.yaml; do cmp -s "$$f" "charts/meantime/files/$$f" || { echo "charts/meantime/files/$$f differs from $$f: run make crds" >&2; exit 1; }; done

.PHONY: test-guards
test-guards: ## take each guard out, one by one: a named test must turn red
	tests/guards/run
