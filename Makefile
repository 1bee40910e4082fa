# The only command surface. `make` prints this help.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := shared/contracts shared/kit services/member-svc services/points-svc services/tier-svc services/campaign-svc deploy/cli
READY := $(VENV)/.ready
T ?=

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}'

##@ Set up
setup: $(READY) ## Make the virtual environment (needs Python 3.11 or newer, nothing else)
$(READY): requirements/dev.txt requirements/uv.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(PACKAGES))
	@touch $@

lock: ## Compile the hashed requirement files anew (no index address ends up in them)
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-annotate --no-header --quiet --extra demo $(foreach p,laurel-contracts laurel-kit member-svc points-svc tier-svc campaign-svc laurel-cli,--no-emit-package $(p)) \
	  requirements/dev.in $(addsuffix /pyproject.toml,$(PACKAGES)) -o requirements/dev.txt

.PHONY: help setup lock
