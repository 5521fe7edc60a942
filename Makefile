# `make help` lists the targets; every target sets up what it needs.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
SECONDS ?= 600
PROTOS := ext_proc/extproc.proto ext_proc/discovery.proto controller/xds/discovery.proto
LOCK := --quiet --universal --generate-hashes --no-emit-index-url
GUARDRAILS ?= ../shared/data/guardrails

.PHONY: help install run test test-kubernetes fuzz demo-kubernetes demo-kubernetes-down check golden crds proto lock bench bench-kubernetes accuracy clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-20s %s\n", $$1, $$2}'

install: .venv/installed ## make .venv with everything, from the lock file

.venv/installed: requirements-dev.lock pyproject.toml
	@echo "installing into .venv: a few minutes on a fresh machine"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m ext_proc.detectors.precompile
	@touch $@

run: install ## serve examples/01-quickstart with the mock provider
	$(BIN)/dragoman run examples/01-quickstart --mock-provider $(ARGS)

test: install ## run the tests (ARGS=tests/golden for one area)
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

test-kubernetes: install ## run the tests on a real Kubernetes: that of KUBECONFIG, else our own
	$(BIN)/python -m tests.kubernetes.cluster prepare
	[ "$$(id -u)" != 0 ] || $(BIN)/python -m tests.kubernetes.images
	$(BIN)/python -m pytest $(or $(ARGS),tests/kubernetes)

demo-kubernetes: install ## the quickstart on a real Kubernetes: that of KUBECONFIG, else our own
	@$(BIN)/python -m tests.kubernetes.demo up

demo-kubernetes-down: install ## end it and leave nothing behind
	@$(BIN)/python -m tests.kubernetes.demo down

fuzz: install ## fuzz each decoder for SECONDS (Linux on x86-64), one after the other
	for target in json_body sse event_stream; do \
		$(BIN)/python -m tests.fuzz.run $$target $(SECONDS) || exit 1; \
	done

check: install ## linters, types, import contracts, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_repository.py tests/ext_proc/test_wire.py
	$(BIN)/python -m crds.schema --check
	$(BIN)/python -m crds.reference --check
	$(BIN)/python helm/readme.py --check
	$(BIN)/python -m ext_proc.formats.coverage docs/coverage.md --check
	$(BIN)/python -m tests.translation.matrix.document docs/providers.md --check

golden: install ## rewrite tests/golden from what render() returns
	$(BIN)/python -m dragoman.golden tests/golden

crds: install ## rewrite crds/*.yaml, the chart of them and the charts' READMEs
	$(BIN)/python -m crds.schema
	$(BIN)/python -m crds.reference
	$(BIN)/python helm/readme.py

proto: install ## rewrite *_pb2.py from the .proto files
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. $(PROTOS)

lock: ## resolve both lock files again (needs uv: `pip install uv`)
	uv pip compile $(LOCK) --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile $(LOCK) --constraint requirements-dev.lock pyproject.toml -o requirements.lock

bench: install ## Envoy alone against Envoy with the guard, paired
	$(BIN)/python -m bench $(ARGS)

bench-kubernetes: install ## apply → first answer with 10, 1,000 and 5,000 AIRoutes, on a real node
	$(BIN)/python -m bench.kubernetes $(ARGS)

accuracy: install ## score the detectors on GUARDRAILS (a folder of labelled data)
	$(BIN)/python bench/accuracy.py $(GUARDRAILS)

clean: ## remove what the targets made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
