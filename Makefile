# HPT: `make run` is all that is needed; `make help` lists the rest.
# Needs: Python 3.11 or newer with pip, make. Everything else is installed below .venv and frontend/node_modules.

PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input -qq
# Node 20.19 or newer from the system, else from a wheel in .venv.
NODE_OK := node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null
NPM := PATH="$$($(NODE_OK) || echo '$(CURDIR)/.venv/node:')$$PATH" npm --prefix frontend --no-fund --no-audit --no-update-notifier --loglevel=error --fetch-retry-maxtimeout=10000
# npm and Vite draw on a terminal; what they say is shown if they fail.
quietly = $(1) >.venv/page.log 2>&1 || { cat .venv/page.log; exit 1; }
FRONTEND := $(shell find frontend -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
TESTS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run install frontend test test-fast test-containers test-frontend test-service bench chaos check check-style check-types check-imports check-django check-frontend schema lock clean browser engine

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

run: install frontend ## Start the whole service on http://127.0.0.1:8000 (HPT_PORT=... for another); Ctrl-C ends it
	@exec $(PY) manage.py up

install: .venv/.service ## Install what the service needs
frontend: frontend/dist/index.html ## Build the page

# --- installing -------------------------------------------------------------------------------------------------------
# Debian's Python comes without ensurepip, and its pip may not touch the system: so its pip fills a bare environment.
.venv/.pip: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "HPT needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PY) -c 'import pip' 2>/dev/null || { \
	  echo "Making .venv"; $(PYTHON) -m venv --clear --without-pip .venv; \
	  $(PYTHON) -m pip --version >/dev/null 2>&1 || { echo "$(PYTHON) has no pip. On Debian: apt-get install python3-pip"; exit 1; }; \
	  $(PYTHON) -m pip --disable-pip-version-check --no-input -qq --python $(PY) install $$(grep '^pip==' constraints.txt); }
	@touch $@

.venv/.service: .venv/.pip pyproject.toml
	@echo "Installing the service's packages"
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > .venv/service.txt
	@$(PIP) install -c constraints.txt -r .venv/service.txt
	@touch $@

.venv/.dev: .venv/.service
	@echo "Installing the development tools"
	@$(PIP) install -c constraints.txt --group dev
	@touch $@

# A folder of its own, so that a system's newer Node is never hidden by this one.
.venv/.node: .venv/.pip
	@$(NODE_OK) || { echo "Installing Node from a wheel"; $(PIP) install -c constraints.txt --group build && mkdir -p .venv/node && \
	  for tool in node npm npx; do ln -sf ../bin/$$tool .venv/node/$$tool; done; }
	@touch $@

frontend/node_modules/.installed: frontend/package-lock.json .venv/.node
	@echo "Installing the page's packages"
	@$(call quietly,$(NPM) ci)
	@touch $@

frontend/dist/index.html: frontend/node_modules/.installed $(FRONTEND)
	@echo "Building the page"
	@$(call quietly,$(NPM) run --silent build -- --logLevel warn)
	@touch $@

# --- tests ------------------------------------------------------------------------------------------------------------
# Tests of a whole service mostly wait for it: two files at a time, each with a service, an engine, a browser of its own;
# one after the other with TWO=
TWO ?= -n 2 --dist loadfile

test: test-fast test-containers test-frontend test-service ## Install what the tests need and run all of them

test-fast: .venv/.dev ## Tests of the engine, the figures and the web side, on a real PostgreSQL and Valkey
	$(PY) -m pytest -q -n auto tests/tuning tests/figures tests/embedded tests/web $(TESTS)

test-containers: .venv/.dev engine ## Tests of trials in containers, on a Docker Engine of their own (needs root)
	$(PY) -m pytest -q -rs $(TWO) tests/containers $(TESTS)

test-frontend: frontend/node_modules/.installed ## Tests of the page's code
	@$(NPM) run --silent test

test-service: .venv/.dev frontend browser ## Tests of the whole service: killed parts, and a real browser
	$(PY) -m pytest -q $(TWO) tests/faults $(wildcard tests/e2e) $(TESTS)

bench: .venv/.dev frontend browser ## Measure what a trial costs, and how long a metric takes from the print to the screen, with 20 running trials
	$(PY) -m tests.bench.orchestration
	$(PY) -m tests.bench.metric_to_screen --screen

# Such as: make chaos ROWS=R4,R17 SEED=7; make chaos SEEDS=3; make chaos STAGING=/srv/hpt-staging CONFIRM=yes (docs/chaos.md).
chaos: .venv/.dev $(if $(STAGING),,engine) ## Break a throw-away service on purpose and print the ledger (ROWS=... SEED=... SEEDS=..., or STAGING=HPT_HOME of a running one)
	@$(PY) -m tests.chaos $(if $(ROWS),--rows $(ROWS)) $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SOAK),--soak $(SOAK)) \
	  $(if $(STAGING),--home $(STAGING)) $(if $(filter yes,$(CONFIRM)),--yes-break-it)

# The tests start the engine themselves and skip, with the reason, where there is none.
engine:
	@command -v dockerd >/dev/null && command -v docker-registry >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing the Docker Engine"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io docker-registry >/dev/null; \
	  else echo "The tests of containers need root and a Docker Engine; without them they are skipped. On Debian: sudo apt-get install docker.io docker-registry"; fi; }

browser:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else echo "The browser tests need Chromium. On Debian: sudo apt-get install chromium"; exit 1; fi; }

# --- checks -----------------------------------------------------------------------------------------------------------
check: check-style check-types check-imports check-django check-frontend ## All checks of the code (make -k check: go on after a failed one)

check-style: .venv/.dev
	$(PY) -m ruff format --check --quiet .
	$(PY) -m ruff check --quiet .

check-types: .venv/.dev
	$(PY) -m mypy hpt_web tuning

check-imports: .venv/.dev
	.venv/bin/lint-imports

# Settings and models, the migrations, and the OpenAPI document, which must be what the code serves.
check-django: .venv/.dev
	$(PY) -m tests.with_servers sh -c '$(PY) manage.py check && $(PY) manage.py makemigrations --check --dry-run && \
	  $(PY) manage.py spectacular --validate --fail-on-warn --format openapi-json --file .venv/openapi.json'
	@cmp .venv/openapi.json hpt_web/api/openapi.json || { echo "Run 'make schema' and look at the difference."; exit 1; }

check-frontend: frontend/node_modules/.installed
	@$(NPM) run --silent check

schema: .venv/.dev frontend/node_modules/.installed ## Write hpt_web/api/openapi.json, and the page's types from it
	$(PY) -m tests.with_servers $(PY) manage.py spectacular --validate --fail-on-warn --format openapi-json --file hpt_web/api/openapi.json
	@$(NPM) run --silent generate

lock: ## Take the newest versions that pyproject.toml allows into constraints.txt
	rm -rf .venv/lock && $(PY) -m venv --without-pip .venv/lock
	$(PIP) --python .venv/lock/bin/python install --upgrade pip -r .venv/service.txt --group dev --group build
	$(PIP) --python .venv/lock/bin/python freeze --all | grep -v '^setuptools==' > constraints.txt
	rm -rf .venv/lock

clean: ## Remove what was built and installed; HPT_HOME (var) stays
	rm -rf .venv frontend/node_modules frontend/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
