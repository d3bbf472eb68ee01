# Every target sets up what it needs in .venv first; once set up, that takes no time.
# Another Python than python3: make demo PYTHON=python3.12

PYTHON ?= python3
ARGS ?=

VENV := .venv
# Apart from the libraries of the tests: redis-py, for one, imports OpenTelemetry's where it is.
BENCH_VENV := .venv-bench
# MLflow wants other versions than the tests do.
MLFLOW_VENV := .venv-mlflow
# The tests of Flask-Limiter bring plugins of pytest that ours aren't to meet.
ALIAS_VENV := .venv-alias
PY := $(VENV)/bin/python
SOURCES := $(wildcard flask_irl demo_app loadtests monitoring tests)

# What each stamp installs, always in the tested versions of constraints.txt.
INSTALL_demo := --editable ".[train,admin,metrics,demo]"
INSTALL_test := --editable ".[all]" --group test
INSTALL_lint := --editable ".[all]" --group dev --group bench
INSTALL_bench := --editable ".[all]" --group bench
INSTALL_alias := --editable . --group alias
INSTALL_load := --editable ".[all]" --group test --group load
INSTALL_docs := --editable ".[metrics]" --group docs

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo run test test-mlflow test-compat docs lint format bench evaluate load soak dashboard runbook \
	clean
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "make %-13s%s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.stamp-demo ## protect a site on the embedded store, show who was flagged and refused
	$(PY) -m demo_app.demo $(ARGS)

run: $(VENV)/.stamp-demo ## serve the demo app on http://127.0.0.1:8000
	$(VENV)/bin/gunicorn -c demo_app/gunicorn_memory.py $(ARGS) "demo_app:create_app()"

test: $(VENV)/.stamp-test ## run all the tests on all cores, against a real Redis server; the slow ones last
	$(PY) -m tests.servers
	$(PY) -m tests.stages $(ARGS)

test-mlflow: $(VENV)/.stamp-test $(MLFLOW_VENV)/.stamp-mlflow ## run the test of MLflow, which needs minutes to install
	$(PY) -m pytest tests/integration/test_mlflow.py $(ARGS)

test-compat: $(VENV)/.stamp-test $(ALIAS_VENV)/.stamp-alias ## run Flask-Limiter's own tests on flask_irl.compat, in memory and on Redis
	$(PY) -m tests.alias.run $(ARGS)

docs: $(VENV)/.stamp-docs ## build the pages of docs/ and the API reference into site/ (ARGS=serve serves them)
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs $(or $(ARGS),build) --strict

lint: $(VENV)/.stamp-lint ## ruff, mypy strict
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict $(SOURCES)

format: $(VENV)/.stamp-lint ## mend what ruff can mend
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(BENCH_VENV)/.stamp-bench ## compare with rivals (BENCH_JSON=file writes the figures; ARGS=--help lists parts)
	$(BENCH_VENV)/bin/python -m loadtests.bench $(ARGS)

evaluate: $(VENV)/.stamp-test ## judge detection on made-up and real logs, an hour on two cores (ARGS="--quick": minutes)
	$(PY) -m loadtests.evaluation $(ARGS)

dashboard: $(VENV)/.stamp-test ## build the Grafana dashboard (ARGS="--runbook URL" links to yours)
	$(PY) -m monitoring.grafana.build_dashboard $(ARGS)

runbook: $(VENV)/.stamp-test ## build the runbook's page for Prometheus (ARGS="--url URL" has alerts link to yours)
	$(PY) -m monitoring.runbook $(ARGS)

load: $(VENV)/.stamp-load ## put the demo app on Redis under load for a minute, after one of learning
	$(PY) -m loadtests.load.run $(ARGS)

soak: $(VENV)/.stamp-test ## break Redis and workers under traffic for 30 minutes (SOAK_MINUTES), then compare
	$(PY) -m loadtests.soak $(ARGS)

clean: ## remove .venv, builds and caches
	rm -rf $(VENV) $(BENCH_VENV) $(MLFLOW_VENV) $(ALIAS_VENV) build dist *.egg-info .mypy_cache \
		.pytest_cache .ruff_cache .hypothesis .coverage htmlcov site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.stamp-venv $(BENCH_VENV)/.stamp-venv $(MLFLOW_VENV)/.stamp-venv $(ALIAS_VENV)/.stamp-venv:
	@$(PYTHON) -V >/dev/null 2>&1 || { \
		echo "There is no working $(PYTHON) here. flask_irl needs Python 3.11 or newer; name one:" \
			"make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "flask_irl needs Python 3.11 or newer, and $(PYTHON) is" \
			"$$($(PYTHON) -V 2>&1). Name a newer one:" \
			"make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) comes without the venv module. Install it (Debian, Ubuntu: apt-get install" \
			"python3-venv) or name another Python: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(@D) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(@D)
	@# Older ones don't know --group.
	@$(@D)/bin/python -m pip install -qq --upgrade "pip>=25.1"
	@touch $@

define install
@echo "Installing what 'make $(MAKECMDGOALS)' needs; the first time this takes a minute"
@$(@D)/bin/python -m pip install -qq --constraint constraints.txt $(INSTALL_$(subst .stamp-,,$(@F)))
@touch $@
endef

$(VENV)/.stamp-%: $(VENV)/.stamp-venv pyproject.toml constraints.txt
	$(install)

$(BENCH_VENV)/.stamp-%: $(BENCH_VENV)/.stamp-venv pyproject.toml constraints.txt
	$(install)

$(ALIAS_VENV)/.stamp-%: $(ALIAS_VENV)/.stamp-venv pyproject.toml constraints.txt
	$(install)

$(MLFLOW_VENV)/.stamp-mlflow: $(MLFLOW_VENV)/.stamp-venv pyproject.toml constraints-mlflow.txt
	@echo "Installing MLflow, which takes minutes the first time"
	@$(@D)/bin/python -m pip install -qq --constraint constraints-mlflow.txt --editable . --group mlflow
	@touch $@
