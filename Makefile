# One-line doors to the project's commands; `make help` lists them. Everything they need they set up by themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# A uv that does not run (a pyenv shim of another Python, say) counts as absent.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .local/tools/bin/uv)
PYTHON := .venv/bin/python
SAM := SAM_CLI_TELEMETRY=0 PATH="$(CURDIR)/.venv/bin:$$PATH" .local/sam/bin/sam
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.13 --no-annotate --custom-compile-command 'make lock'

STAGE ?= dev
ARCHITECTURE ?= arm64

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1mmake %-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- environments: three, because the SAM CLI, the emulator and the functions pin different AWS SDKs ---------------

.PHONY: setup
setup: .venv/ready .local/sam/ready .local/emulator/ready ## make the environments (the other commands do it by themselves)

.local/tools/bin/uv:
	@echo "· uv is not here: fetching it into .local/tools"
	@python3 -m pip install --quiet --target .local/tools uv 2>/dev/null \
	  || (python3 -m venv .local/tools && .local/tools/bin/pip install --quiet uv)

.venv/ready: requirements/dev.txt
.local/sam/ready: requirements/sam.txt
.local/emulator/ready: requirements/emulator.txt
%/ready: .python-version | $(filter .local/%,$(UV))
	@echo "· installing $(filter %.txt,$^) into $*"
	@$(UV) venv --quiet --clear --python 3.13 $*
	@$(UV) pip sync --quiet --compile-bytecode --require-hashes --python $* $(filter %.txt,$^)
	@touch $@

.PHONY: lock
lock: | $(filter .local/%,$(UV)) ## compile requirements/*.in anew; UPGRADE=1 takes newer versions
	$(COMPILE) $(if $(UPGRADE),--upgrade) layers/*/requirements.in -o layers/constraints.txt
	for layer in layers/*/requirements.in; do \
	  $(COMPILE) --generate-hashes -c layers/constraints.txt $$layer -o $${layer%.in}.txt; done
	$(COMPILE) $(if $(UPGRADE),--upgrade) --generate-hashes -c layers/constraints.txt requirements/dev.in -o requirements/dev.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --generate-hashes requirements/sam.in -o requirements/sam.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --generate-hashes requirements/emulator.in -o requirements/emulator.txt
