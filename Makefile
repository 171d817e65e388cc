# Two commands: `make demo` and `make test`. Both set up everything they need, in .venv and .orderflow.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Most tests wait for servers, so more run at once than there are cores; the last process takes those that do not.
AT_ONCE ?= -n 4 --no-loadscope-reorder

.PHONY: demo test simulate chaos kills failures sagas outage lateness bench figures check lint types contracts lock clean

demo: $(READY)
	@$(BIN)/orderflow demo $(ARGS)

test: $(READY)
	@$(BIN)/python -m pytest $(AT_ONCE) $(ARGS)

# The whole system on one virtual clock, seed after seed, in the midst of troubles; see docs/chaos.md.
simulate: $(READY)
	@$(BIN)/python -m tests.simulation $(ARGS)

# Workers and brokers fail by a seeded schedule, under load; see docs/chaos.md.
chaos: $(READY)
	@$(BIN)/python -m tests.chaos.seeded $(ARGS)

# A worker is killed at each step of a checkpoint and of a restore, and its files are damaged; see docs/chaos.md.
kills: $(READY)
	@$(BIN)/python -m tests.chaos.steps $(ARGS)

# Records fail, for a while or for good, while workers are killed, and all letters come back; see docs/chaos.md.
failures: $(READY)
	@$(BIN)/python -m tests.chaos.failing $(ARGS)

# Orders of both kinds, while provider and carrier fail and processes are killed; see docs/chaos.md.
sagas: $(READY)
	@$(BIN)/python -m tests.chaos.both_kinds $(ARGS)

# What a minute without the payment provider costs, at 70 % of the capacity measured first; see docs/chaos.md.
outage: $(READY)
	@$(BIN)/python -m tests.e2e.outage

# How late retries come with a thousand of them waiting; see docs/chaos.md.
lateness: $(READY)
	@$(BIN)/python -m tests.chaos.lateness

# orderflow beside its peers on the same work; ARGS=--quick for one round. Results go to bench/results, and from there
# into docs/performance.md.
bench: $(READY)
	@$(BIN)/python -m bench $(ARGS) && $(BIN)/python -m bench.write $(ARGS) && $(BIN)/python -m bench.page

# The other parts of docs/performance.md; PARTS="layers fuzz" for some of them.
PARTS ?= layers memory growth failover blocked hops sagas audit fuzz
figures: $(READY)
	@set -e; for part in $(PARTS); do $(BIN)/python -m bench.$$part; done; $(BIN)/python -m bench.page

check: $(READY) lint types contracts test

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy

contracts: $(READY)
	@$(BIN)/lint-imports && $(BIN)/orderflow schemas check

# Every package is a wheel checked against its hash: nothing unpinned comes in. Only our own decoder and clients are
# compiled, where there is a C compiler. Python compiles all modules at once: else each process of the first demo would.
$(READY): requirements.lock pyproject.toml $(wildcard app/librdkafka/*.pxd app/*/compiled/*.p[yx]* app/*/*/compiled/*.p[yx]*)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q app topologies
	@touch $@

# Pins again after a change of the dependencies in pyproject.toml: all of them, and of these what the image needs.
PINS := $(BIN)/uv pip compile pyproject.toml requirements.build --generate-hashes --no-emit-index-url --no-header --quiet
lock: $(READY)
	@$(BIN)/python -m pip install --quiet uv
	@$(PINS) --extra dev --extra embedded --output-file requirements.lock
	@$(PINS) --constraint requirements.lock --output-file deploy/requirements.lock

clean:
	@rm -rf $(VENV) .orderflow
