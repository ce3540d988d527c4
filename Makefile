# Every target brings what it needs: uv, Python, packages, PostgreSQL. `make` alone lists them.
.DEFAULT_GOAL := help
.NOTPARALLEL:
# Compiled modules make later starts seconds quicker, and the project has its own environment.
unexport PYTHONDONTWRITEBYTECODE VIRTUAL_ENV

BIN := .venv/bin
JOBS := 2
RUNTIME := .venv/.installed-runtime
DEV := .venv/.installed-dev
LOCKED := uv.lock pyproject.toml .python-version .ci/environment

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' Makefile | sed 's/:.*## /	/' | expand -t 14

.PHONY: setup
setup: $(DEV) ## Install everything that development needs into .venv

.PHONY: run
run: $(RUNTIME) ## Serve a demo on http://127.0.0.1:8000, from nothing; ARGS="--port 8001" and the like
	@$(BIN)/storekeeper run $(ARGS)

.PHONY: test
test: $(DEV) ## Run the tests, in two processes with a PostgreSQL each; ARGS="-k ledger" and the like
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: prove
prove: $(DEV) ## Run the long sizes of the promises
	$(BIN)/pytest -m long --hypothesis-profile=default -s $(ARGS)

.PHONY: check
check: lint types contracts migrations test ## All that CI checks

.PHONY: lint
lint: $(DEV) ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(DEV) ## Types, strictly
	$(BIN)/mypy

.PHONY: contracts
contracts: $(DEV) ## Who may import whom
	$(BIN)/lint-imports

.PHONY: migrations
migrations: $(DEV) ## Each migration up, down and up again
	$(BIN)/pytest tests/integration/test_migrations.py

.PHONY: bench
bench: $(DEV) ## Measure the hot paths beside their limits; the report is in bench-report/
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: clean
clean: ## Remove what the targets made except the data; with DATA=yes the data, too
	@if [ "$(DATA)" = yes ] && [ -x $(BIN)/storekeeper ]; then $(BIN)/storekeeper db delete --yes && rm -rf .data; fi
	rm -rf .venv .tools .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench-report dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): $(LOCKED)
	@.ci/environment runtime

$(DEV): $(LOCKED)
	@.ci/environment dev
