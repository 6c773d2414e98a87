.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The system's Python first: distributions build it with profile-guided optimization, which pyenv leaves out by default,
# and Orderflow is half as fast again on it.
PYTHON ?= $(shell for python in /usr/bin/python3 python3; do $$python -c \
    'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; exit; }; done; echo python3)
UV ?= .venv/uv/bin/uv
ARGS ?=
BIN := .venv/bin
SERVICES := deploy/services/services.py

# A line per new package instead of pip's five; pipefail keeps pip's exit code.
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off
ONLY_NAMES = sed -un -E 's/^Collecting ([^ ]+)==([^ ]+) .*/  \1 \2/p'

.PHONY: help install run test mssql bench loadtest check audit sbom screenshots faults mutants upgrades services services-stop services-clean lock python-found
.PHONY: compose-up compose-down compose-test compose-images chart docs wheel image release

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.runtime ## make .venv with the locked dependencies and orderflow in it

run: .venv/.runtime ## run everything in one process at http://127.0.0.1:8080, nothing else needed
	@exec $(BIN)/orderflow up

test: .venv/.dev ## run every test (ARGS="-k words"), with the PostgreSQL and Kafka that can be had here
	@if [ -n "$${ORDERFLOW_TEST_POSTGRES_URL:-}$${ORDERFLOW_TEST_KAFKA_URL:-}" ]; \
	then exec $(BIN)/python -m pytest $(ARGS); \
	else exec $(BIN)/python $(SERVICES) run -- $(BIN)/python -m pytest $(ARGS); fi

mssql: .venv/.dev .venv/.mssql ## run suites, journeys and faults on a SQL Server (MSSQL=url), and write build/mssql.md
	@exec $(BIN)/python $(SERVICES) run -- $(if $(MSSQL),env ORDERFLOW_TEST_MSSQL_URL='$(MSSQL)') $(BIN)/python -m tests.mssql.report

bench: .venv/.runtime ## measure, beside limits and a peer (ARGS="--quick", "--only intake,e2e"); needs `make services`
	@eval "$$($(BIN)/python $(SERVICES) env)"; exec $(BIN)/python -m bench $(ARGS)

loadtest: .venv/.k6 .venv/.runtime ## k6 while workers come and go, and a report (ARGS="--seconds 30"); needs `make services`, and Go
	@eval "$$($(BIN)/python $(SERVICES) env)"; exec $(BIN)/python -m loadtest $(ARGS)

check: .venv/.dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

audit: .venv/.audit ## ask the registry what is known against the locked packages
	@$(BIN)/python deploy/supply_chain.py audit $(ARGS)

sbom: .venv/.audit ## write build/sbom.cdx.json: what orderflow is made of (CycloneDX)
	@$(BIN)/python deploy/supply_chain.py sbom

docs: .venv/.docs ## build the documentation site in build/site; a broken link fails it
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs build --strict --clean
	@echo "build/site/index.html"

chart: .venv/.chart .venv/.dev ## check the Helm chart in deploy/kubernetes; needs Go, to build helm
	@ORDERFLOW_TEST_REQUIRE=helm $(BIN)/python -m pytest -q tests/test_kubernetes.py $(ARGS)

wheel: .venv/.dev ## build the wheel in dist/: it runs without a checkout
	@$(BIN)/python deploy/release.py wheel

image: .venv/.dev ## build the container image orderflow:VERSION; needs Docker
	@$(BIN)/python deploy/release.py image

release: sbom .venv/.dev ## build what a release consists of, and say how to tag it
	@$(BIN)/python deploy/release.py all

SECONDS ?= 5

screenshots: .venv/.dev ## pictures of the console into build/screenshots: light, dark, 375 pixels wide; needs Chromium
	@$(BIN)/python -m tests.console.screenshots $(SECONDS)

SEED ?=
MINUTES ?= 20
PARTS ?= both
faults: .venv/.dev $(if $(filter mssql,$(PARTS)),.venv/.mssql) ## attack real processes under load (SEED= replays, MINUTES=20, PARTS=embedded|real|both|mssql)
	$(BIN)/python -m tests.faults --minutes $(MINUTES) --parts $(PARTS) $(if $(SEED),--seed $(SEED)) $(ARGS)

mutants: .venv/.dev ## break the product on purpose: the fault runs must notice each time (PARTS=)
	$(BIN)/python -m tests.faults.mutate --parts $(PARTS) $(ARGS)

ROUNDS ?= 5
upgrades: .venv/.dev ## upgrade a running deployment, there and back, under load (ROUNDS=5)
	@ORDERFLOW_TEST_UPGRADE_ROUNDS=$(ROUNDS) exec $(BIN)/python $(SERVICES) run -- \
	    $(BIN)/python -m pytest tests/upgrades $(ARGS)

MSSQL ?=
services: python-found $(if $(MSSQL),.venv/.mssql) ## start real PostgreSQL and Kafka, print the URLs to export (MSSQL=url: the databases are there)
	@$(PYTHON) $(SERVICES) start $(if $(MSSQL),--mssql '$(MSSQL)')

services-stop: python-found ## stop them; their data and ports stay
	@$(PYTHON) $(SERVICES) stop

services-clean: python-found ## stop them and remove their data
	@$(PYTHON) $(SERVICES) clean

compose-up: ## the production-like stack in containers at https://localhost:8080; SETTINGS=dev for development
	docker compose $(if $(SETTINGS),--env-file deploy/compose/$(SETTINGS).env) up --detach

compose-down: ## stop it; its data stays (docker compose down --volumes removes it)
	docker compose down

compose-test: python-found ## build the image and try the stack on a real Docker engine, kills under load included
	@$(PYTHON) deploy/compose_test.py

compose-images: ## where no image can be pulled: make stand-ins for the base images (Debian, as root)
	@deploy/stand-ins/make.sh

COMPILE = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url $(ARGS)
lock: $(UV) ## write the lock files anew; locked versions stay unless ARGS=--upgrade
	$(COMPILE) --group build pyproject.toml -o requirements.lock
	$(COMPILE) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(COMPILE) --extra mssql -c requirements.lock pyproject.toml -o requirements-mssql.lock
	$(COMPILE) --group pyproject.toml:audit -o requirements-audit.lock
	$(COMPILE) --group pyproject.toml:chart -o requirements-chart.lock
	$(COMPILE) --group pyproject.toml:docs -o requirements-docs.lock
	$(COMPILE) --no-deps --group pyproject.toml:postgres -o requirements-postgres.lock

python-found:
	@command -v $(PYTHON) >/dev/null || \
	    { echo "orderflow needs Python 3.11 or newer, and $(PYTHON) is not here: sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "orderflow needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V): name another, as in make PYTHON=python3.12" >&2; exit 1; }

# pip is what venv writes last: a venv that was interrupted has none, and is made again.
$(BIN)/pip: | python-found
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "$(PYTHON) cannot make virtual environments: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv --clear .venv

.venv/.runtime: requirements.lock pyproject.toml | $(BIN)/pip
	@echo "Installing what requirements.lock names"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock | $(ONLY_NAMES)
	@$(PIP_INSTALL) -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.runtime
	@echo "Installing what requirements-dev.lock adds"
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock | $(ONLY_NAMES)
	@touch $@

.venv/.mssql: requirements-mssql.lock .venv/.runtime
	@echo "Installing what requirements-mssql.lock adds"
	@$(PIP_INSTALL) --require-hashes -r requirements-mssql.lock | $(ONLY_NAMES)
	@touch $@

# In environments of their own: they need other versions than what they look at.
.venv/.audit: requirements-audit.lock | $(BIN)/pip
	@echo "Installing what requirements-audit.lock names"
	@$(BIN)/python -m venv --clear .venv/audit
	@.venv/audit/bin/python -m pip install -q --disable-pip-version-check --no-input --require-hashes -r requirements-audit.lock
	@touch $@

HELM := helm.sh/helm/v4/cmd/helm@v4.3.1
.venv/.chart: requirements-chart.lock Makefile | $(BIN)/pip
	@command -v go >/dev/null || { echo "helm is built with Go 1.26 or newer, which is missing" >&2; exit 1; }
	@echo "Installing what requirements-chart.lock names, and building helm"
	@$(BIN)/python -m venv --clear .venv/chart
	@.venv/chart/bin/python -m pip install -q --disable-pip-version-check --no-input --require-hashes -r requirements-chart.lock
	@GOBIN=$(CURDIR)/.venv/chart/bin go install $(HELM)
	@touch $@

K6 := go.k6.io/k6@v1.8.1
.venv/.k6: Makefile | $(BIN)/pip
	@command -v go >/dev/null || { echo "k6 is built with Go 1.25 or newer, which is missing" >&2; exit 1; }
	@echo "Building k6"
	@GOBIN=$(CURDIR)/.venv/k6 go install $(K6)
	@touch $@

.venv/.docs: requirements-docs.lock | $(BIN)/pip
	@echo "Installing what requirements-docs.lock names"
	@$(BIN)/python -m venv --clear .venv/docs
	@.venv/docs/bin/python -m pip install -q --disable-pip-version-check --no-input --require-hashes -r requirements-docs.lock
	@touch $@

.venv/uv/bin/uv: | $(BIN)/pip
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/pip install -q uv==0.13.9
