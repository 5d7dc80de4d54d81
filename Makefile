# Short commands for the project; `make help` lists them. They install what they need.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# A uv that does not run (for example a pyenv shim for another Python) is ignored.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .local/tools/bin/uv)
PYTHON := .venv/bin/python
# build all functions that share code into one folder (deployment/artefact.py)
SAM := SAM_CLI_TELEMETRY=0 SAM_CLI_BETA_BUILD_PERFORMANCE=1 PATH="$(CURDIR)/.venv/bin:$$PATH" .local/sam/bin/sam
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.13 --no-annotate --custom-compile-command 'make lock'

STAGE ?= dev
ARCHITECTURE ?= arm64
PORT ?= 3000

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1mmake %-11s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- the local shop ------------------------------------------------------------------------------------------------

.PHONY: run reload journey chat evaluate sam-local
run: setup ## start the whole shop on this machine; PORT=4000 sets the port, KEEP=1 keeps the data of the last run
	@$(PYTHON) -m local run --port $(PORT) $(if $(KEEP),--keep)

reload: setup ## load changed code of functions/ into the running shop
	@$(PYTHON) -m local reload

journey: setup ## buy something from the running shop, step by step
	@$(PYTHON) -m local journey $(if $(API),--api $(API))

chat: setup ## chat with the running shop's assistant; AS=<email> PASSWORD=… signs in as a user
	@$(PYTHON) -m local chat

evaluate: setup ## play the assistant's conversations against the running shop; ONLY=… selects by the beginning of the name
	@$(PYTHON) -m local evaluate $(ONLY)

sam-local: PORT = 3001
sam-local: setup ## serve the HTTP API with `sam local start-api` on port 3001 (needs Docker, and `make run` in another terminal)
	@$(PYTHON) -m local sam-local --port $(PORT) -- $(SAM_LOCAL_ARGS)

# --- checks and tests ----------------------------------------------------------------------------------------------

# always write bytecode: every test process reuses it
unexport PYTHONDONTWRITEBYTECODE

.PHONY: smoke check lint test validate documents openapi iam-report bench bench-sale bench-capacity
smoke: setup ## check the installation with three tests, in a few seconds
	@$(PYTHON) -m pytest -q tests/smoke

check: ## run the fast checks: lint, types, template, contracts, architecture
	@$(MAKE) --no-print-directory -j 2 lint validate
	@$(PYTHON) -m pytest -q -n 2 --dist worksteal -m "not e2e" tests/architecture tests/contracts

lint: setup
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check --quiet .
	@$(PYTHON) -m mypy

validate: setup ## validate template.yaml with SAM and cfn-lint
	@$(SAM) validate --region us-east-1
	@$(SAM) validate --region us-east-1 --lint

test: ## run all checks and all tests: unit, contract, architecture and end-to-end
	@$(MAKE) --no-print-directory -j 2 lint validate
	@$(PYTHON) -m pytest -n 3 --dist worksteal
	@$(PYTHON) -m local iam-report

documents: openapi ## write the documents that tests compare with the code: API, round trips, packages, states
	@UPDATE_SNAPSHOTS=1 $(PYTHON) -m pytest -q tests/architecture/test_round_trips.py tests/architecture/test_packages.py tests/architecture/test_states.py

openapi: setup ## write the API's description and API Gateway's routes from the endpoints
	@$(PYTHON) -m local openapi --write

iam-report: setup ## compare each function's policy with the calls it made in the last end-to-end tests
	@$(PYTHON) -m local iam-report

bench: setup ## compare cold starts with a bare boto3 handler; writes docs/benchmarks.md
	@PYTHONPATH=functions:tests:. $(PYTHON) -P -m benchmarks $(BENCH_ARGS)

bench-sale: setup ## simulate a flash sale of one product; writes docs/flash-sale.md
	@PYTHONPATH=functions:tests:. $(PYTHON) -P -m benchmarks.flash_sale

bench-capacity: setup ## count the calls and units of each flow in DynamoDB; writes the tables of docs/capacity.md
	@PYTHONPATH=functions:tests:. $(PYTHON) -P -m benchmarks.capacity

# --- AWS -----------------------------------------------------------------------------------------------------------

.PHONY: build deploy
build: setup ## build functions and layers for AWS; ARCHITECTURE=x86_64 builds for x86 instead of arm64
	@ARCHITECTURE=$(ARCHITECTURE) $(SAM) build --config-env $(STAGE) --parameter-overrides Architecture=$(ARCHITECTURE)
	@$(PYTHON) -m deployment.artefact .aws-sam/build

deploy: build ## deploy to AWS; STAGE=prod selects another stage, PARAMETERS="AlarmEmail=… TaxPercent=…" sets parameters
	@$(PYTHON) -m deployment $(STAGE) Architecture=$(ARCHITECTURE) $(PARAMETERS)

# --- operating a stage: the running local cloud, or AWS with your own credentials (STAGE=dev) ----------------------
# The commands read STAGE from the environment; without it they use the local cloud. ARGS=--help explains each.

.PHONY: dlq replay rebuild reconcile job admin users unsuppress rotate-keys
dlq: setup ## list events that could not be handled, or SHOW=… REDRIVE=… DROP=order_mails; EVENT=… selects by name or id
	@$(PYTHON) -m ops dlq $(SHOW:%=show %) $(REDRIVE:%=redrive %) $(DROP:%=drop %) $(EVENT:%=--event %) $(YES:%=--yes) $(ARGS)

replay: setup ## send archived events to a projection again: CONSUMER=seller_dashboard FROM=2026-11-01 TO=2026-11-22
	@$(PYTHON) -m ops replay $(CONSUMER) $(FROM:%=--from %) $(TO:%=--to %) $(ARGS)

rebuild: setup ## delete the seller dashboard's projections and rebuild them from the archive: YES=1 skips the confirmation
	@$(PYTHON) -m ops rebuild $(YES:%=--yes) $(ARGS)

reconcile: setup ## compare payments with Razorpay's records: STAGE=dev FROM=2026-11-01 TO=2026-11-02
	@$(PYTHON) -m ops reconcile $(FROM:%=--from %) $(TO:%=--to %) $(ARGS)

job: setup ## run a scheduled job now: JOB=seller_dashboard.check_daily_totals DATE=2026-11-22; without JOB, list them
	@$(PYTHON) -m ops job $(JOB) $(DATE:%=--date %) $(ARGS)

admin: setup ## create an administrator: STAGE=dev EMAIL=… USERNAME=… FIRST_NAME=… LAST_NAME=…
	@$(PYTHON) -m ops admin --email "$(EMAIL)" --username "$(USERNAME)" --first-name "$(FIRST_NAME)" --last-name "$(LAST_NAME)" $(ARGS)

users: setup ## show an account, approve, suspend or reinstate it: ACTION=suspend NAME=asha ARGS="--reason 'Sold fakes'"
	@$(PYTHON) -m ops users $(ACTION) $(NAME) $(ARGS)

unsuppress: setup ## allow mails to an address that bounced or complained: ADDRESS=asha@example.com
	@$(PYTHON) -m ops unsuppress $(ADDRESS) $(ARGS)

rotate-keys: setup ## replace the key that signs access tokens; REVOKE=1 refuses the tokens of earlier keys at once
	@$(PYTHON) -m ops rotate-keys $(REVOKE:%=--revoke) $(ARGS)

# --- housekeeping --------------------------------------------------------------------------------------------------

.PHONY: clean
clean: ## delete builds, snapshots and data of the local cloud (not the environments)
	rm -rf .aws-sam .local/build .local/run .local/test .local/snapshots .local/layers .local/endpoints.json
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis

# --- environments: three, because the SAM CLI, the emulator and the functions pin different AWS SDKs ---------------

.PHONY: setup
setup: .venv/ready .local/sam/ready .local/emulator/ready ## create the Python environments (the other commands do this when needed)

.local/tools/bin/uv:
	@echo "· uv was not found: installing it into .local/tools"
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
lock: | $(filter .local/%,$(UV)) ## compile requirements/*.in into lock files; UPGRADE=1 updates versions
	$(COMPILE) $(if $(UPGRADE),--upgrade) layers/dependencies/requirements.in layers/ai/requirements.in -o layers/constraints.txt
	$(COMPILE) --generate-hashes -c layers/constraints.txt layers/dependencies/requirements.in -o layers/dependencies/requirements.txt
	$(COMPILE) --generate-hashes -c layers/constraints.txt layers/ai/requirements.in -o layers/ai/requirements.txt \
	  $$(sed -nE 's/^([a-z0-9.-]+)==.*/--no-emit-package \1/p' layers/dependencies/requirements.txt)
	$(COMPILE) $(if $(UPGRADE),--upgrade) --generate-hashes --no-deps layers/docs/requirements.in -o layers/docs/requirements.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --generate-hashes -c layers/constraints.txt requirements/dev.in -o requirements/dev.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --generate-hashes requirements/sam.in -o requirements/sam.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --generate-hashes requirements/emulator.in -o requirements/emulator.txt
