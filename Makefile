# The project's commands. `make run` and `make test` set everything up on a fresh machine first.
PYTHON ?= python3
BIN := .venv/bin
SAMPLE := .hpc/sample/lines.txt

.PHONY: setup run test check bench bench-long clean

setup: ; @MAKE_GOAL=$(MAKECMDGOALS) $(PYTHON) hpc/setup_environment.py

run: setup
	@$(BIN)/python -m hpc.sample $(SAMPLE)
	@$(BIN)/hpc run $(SAMPLE) --project Demo --lines-per-shard 10000 --output results

test: setup
	@$(BIN)/pytest $(PYTEST_ARGUMENTS)

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q tests/test_settings.py tests/test_stacks tests/test_constructs tests/test_workflows

bench: setup
	@$(BIN)/python -m benchmarks.kernels
	@$(BIN)/python -m benchmarks.economics
	@$(BIN)/python -m benchmarks.web
	@$(BIN)/python -m benchmarks.workflows
	@echo "10 GB and 10,000 shards through the laptop platform: make bench-long (60 GB of disk)"

bench-long: setup
	@$(BIN)/python -m benchmarks.many_shards
	@$(BIN)/python -m benchmarks.storage

# Keeps .hpc/ and results/: they hold what people made.
clean:
	@if [ -x $(BIN)/hpc ]; then $(BIN)/hpc down; fi
	@rm -rf .venv node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
