# One command surface, the same on a laptop and in CI. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-kafka test-mongo lint type fault simulate bench contact-sheet lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Reelway needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

setup: $(STAMP) ## install everything into .venv, from the package registry only

demo: $(STAMP) ## run the main job on a real clip (ARGS=--keep leaves it running)
	$(BIN)/python examples/demo.py $(ARGS)

test: $(STAMP) ## all tests but the slow ones, with line coverage
	$(BIN)/python -m pytest -m 'not slow' -n 2 --dist loadfile --durations=15 --cov --cov-report=term $(ARGS)

# SHORT=1 runs the tests that are marked `short`: what CI does.
test-kafka: $(STAMP) ## the end-to-end and fault tests on Apache Kafka, fetched with Maven (SHORT=1: some of them)
	$(BIN)/python -m tests.peers.fetch kafka
	REELWAY_TEST_BUS=kafka REELWAY_TEST_STATE=sqlite \
	  $(BIN)/python -m pytest $(if $(SHORT),-m short) --ignore=tests/fault/simulation \
	  tests/integration/bus tests/e2e tests/fault $(ARGS)

test-mongo: $(STAMP) ## the store contracts and the end-to-end tests on MongoDB's wire protocol (SHORT=1: some of them)
	$(BIN)/python -m tests.peers.fetch ferretdb
	REELWAY_TEST_STATE=mongo,ferretdb $(BIN)/python -m pytest -k 'mongo or secantus or ferretdb' \
	  $(if $(SHORT),-m 'short or slow') tests/contract tests/e2e $(ARGS)

lint: $(STAMP) ## style, formatting, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(STAMP) ## static types, strict
	$(BIN)/mypy

fault: $(STAMP) ## die once at every named crash point, and everything else that goes wrong (SHORT=1: most of it)
	$(BIN)/python -m pytest $(if $(SHORT),-m 'not long') tests/fault $(ARGS)

simulate: $(STAMP) ## many simulated schedules with accidents (ARGS='--schedules 100000')
	$(BIN)/python -m tests.fault.simulation $(ARGS)

bench: $(STAMP) ## figures of DESIGN's bars, next to Celery + Redis (SHORT=1: in minutes; ARGS='graphs media --json FILE')
	$(BIN)/python -m tests.bench $(if $(SHORT),--short) $(ARGS)

contact-sheet: $(STAMP) ## pictures of all image nodes on one PNG, to look at (ARGS=file.png)
	$(BIN)/python -m tests.media.contact_sheet $(ARGS)

LOCK := uv pip compile -q pyproject.toml --generate-hashes --universal --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate

lock: ## resolve the newest versions again (needs uv)
	$(LOCK) --all-extras -o constraints.txt
	$(LOCK) --extra build -c constraints.txt -o deploy/constraints.txt

clean: ## remove what setup and the tests made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
