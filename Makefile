# Two commands for a fresh machine with Python >= 3.11, git and make: `make demo`, `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

# Compiled once, not by each of the processes that tests and the demo start.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test test-slow check format audit bench bench-peers bench-roles live soak screenshots serve system clean

demo: $(STAMP) system
	@$(BIN)/coding-agent demo

test: $(STAMP)
	@sh scripts/system-packages tests
	$(PYTEST) -n 4 -m "not slow"

test-slow: $(STAMP)
	@sh scripts/system-packages slow-tests
	$(PYTEST) -n 4 -m slow --timeout 900

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

audit:
	@sh scripts/audit "$(PYTHON)" "$(VENV)-audit"

bench: $(STAMP) system
	$(BIN)/python -m benchmarks

bench-peers: $(STAMP) system
	$(BIN)/python -m benchmarks.peers

bench-roles: $(STAMP) system
	$(BIN)/python -m benchmarks.roles

# Claude, GitHub and Modal themselves, by the user's own keys, for $3 at most.
live: $(STAMP) system
	@$(BIN)/python -m benchmarks.live

soak: $(STAMP) system
	$(BIN)/python -m benchmarks.soak

# The pictures of README.md and the documents: the page, the demo in a terminal, what is seen on GitHub.
screenshots: $(STAMP)
	@sh scripts/system-packages slow-tests
	$(BIN)/python -m benchmarks.pictures.page
	$(BIN)/python -m benchmarks.pictures.terminal
	$(BIN)/python -m benchmarks.pictures.github

serve: $(STAMP) system
	$(BIN)/coding-agent serve

$(STAMP): pyproject.toml constraints.txt bin/coding-agent
	@sh scripts/venv "$(PYTHON)" "$(VENV)"
	@touch $@

system:
	@sh scripts/system-packages

clean:
	rm -rf $(VENV) $(VENV)-audit $(VENV)-mini-swe-agent $(VENV)-deepagents build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .langgraph_api
