# `make` alone lists what there is. Everything runs in .venv, which the first command sets up.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
HUB := deploy/jupyterhub
PROXY := $(HUB)/node_modules/.package-lock.json

# A command may exist and not run (version managers leave such), so each one is tried.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: help setup demo lab test proxy check canary build site lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## install everything into .venv; the other commands do it when it is needed

demo: $(STAMP) ## release a lesson, make a class of submissions, grade it
	@$(BIN)/autograder demo

lab: $(STAMP) ## JupyterLab on the lessons
	@$(BIN)/course lab

test: $(STAMP) proxy ## everything that continuous integration runs
	@$(BIN)/python -m tests.run

proxy: $(PROXY) ## JupyterHub's proxy, which the test of deploy/jupyterhub starts

$(PROXY): $(HUB)/package-lock.json $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix $(HUB) --no-audit --no-fund \
		|| echo "The proxy of $(HUB) is not installed, and its test needs it." >&2

check: $(STAMP) ## the quick half of the tests
	@$(BIN)/python -m tests.run --quick

canary: $(STAMP) ## the newest releases that pyproject.toml allows, tried in a fresh environment
	@$(BIN)/python -m tests.canary

build: $(STAMP) ## notebooks and tables from the sources in solutions/
	@$(BIN)/autograder build

site: $(STAMP) ## the course as pages and PDFs, in build/site/html/
	@$(BIN)/python -m autograder.publish.site

# --- setting up; students' Makefile takes this part too ---

$(STAMP): requirements.lock pyproject.toml
	@python=
	for wanted in "import ensurepip, venv" ""; do
		for candidate in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do
			if [ -z "$$python" ] && "$$candidate" -c "$(SUPPORTED)" 2>/dev/null \
				&& "$$candidate" -c "$$wanted" 2>/dev/null; then python=$$candidate; fi
		done
	done
	if [ -z "$$python" ] && [ -n "$(PYTHON)" ]; then
		echo "PYTHON names $(PYTHON), which is not a Python 3.11, 3.12 or 3.13 that runs." \
			"Name another one, or none: make then looks for one." >&2
		exit 1
	elif [ -z "$$python" ]; then
		echo "No Python 3.11, 3.12 or 3.13 found. Install one (on Debian and Ubuntu:" \
			"apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3" >&2
		exit 1
	fi
	if ! "$$python" -c "import ensurepip, venv" 2>/dev/null; then
		version=$$("$$python" -c "import sys; print('%d.%d' % sys.version_info[:2])")
		root=
		[ "$$(id -u)" = 0 ] || root="sudo -n"
		echo "$$python comes without its venv module: installing it with apt-get."
		$$root apt-get update -qq || true
		$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$$version-venv" \
			|| $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv || true
		if ! "$$python" -c "import ensurepip, venv" 2>/dev/null; then
			echo "$$python cannot make virtual environments, and installing what is missing" \
				"did not work. Run: sudo apt-get install python$$version-venv, then make again." >&2
			exit 1
		fi
	fi
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1 || ! $(BIN)/python -c "$(SUPPORTED)"; then
		echo "Making $(VENV) with $$("$$python" --version)"
		"$$python" -m venv --clear $(VENV)
	fi
	echo "Installing into $(VENV): once, $(or $(ORIGIN),about 0.8 GB to download)"
	$(BIN)/python -m pip install --disable-pip-version-check --no-input \
		--require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet \
		--no-deps --no-build-isolation -e .
	touch $@

# --- end of setting up ---

# One lock for everybody. The students' zip takes its part by the lines that say who asked for a
# package ("via"), and conda's file takes the versions. Extras are pinned by name: beside a pin of
# `coverage`, pip would look for `coverage[toml]` separately. Versions that are pinned stay;
# `make lock UPGRADE=--upgrade` takes newer ones.
lock: $(STAMP) ## pin the dependencies of pyproject.toml again
	@$(BIN)/python -m venv build/lock
	build/lock/bin/python -m pip install --disable-pip-version-check --quiet uv
	build/lock/bin/uv pip compile pyproject.toml --output-file requirements.lock $(UPGRADE) \
		--extra instructor --extra cluster --extra site --extra hub --extra dev \
		--universal --python-version 3.11 --generate-hashes --annotation-style line \
		--no-strip-extras --no-emit-index-url --custom-compile-command "make lock" --quiet
	$(BIN)/python -m autograder.publish.conda

clean: ## remove what the tools leave behind; .venv and the class stay
	@rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .coverage *.egg-info
	find . -path ./$(VENV) -prune -o -path ./class -prune -o -type d \
		\( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +
