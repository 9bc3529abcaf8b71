# The project's commands. `make` lists them; each does the set-up that it needs.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Nothing but .venv decides which modules are imported.
unexport PYTHONPATH PYTHONHOME

UV ?= uv
BIN := .venv/bin
LOCKED := .venv/.locked
INSTALLED := .venv/.installed

# The first of these that runs, is 3.11 to 3.13 and can make environments is taken.
PYTHONS := $(strip $(PYTHON) python3 python3.13 python3.12 python3.11)
SUITABLE := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# -qq hides pip's remarks about the machine it runs on, not its errors.
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check -qq install --no-input

.PHONY: help
help: ## List these commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(INSTALLED) ## Make .venv from a Python 3.11 to 3.13 (PYTHON=... names one) and the lock.
	@:

# Always from an empty folder, so an interrupted or older installation leaves nothing behind.
# jsonpath-rw, langdetect and promise exist as source only. They are built by the setuptools of the lock, which therefore
# comes first, and not by what an isolated build would fetch on the day.
$(LOCKED): requirements.lock
	@found=; for python in $(PYTHONS); do \
		if "$$python" -c '$(SUITABLE)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo 'setup: no Python 3.11, 3.12 or 3.13 with venv among: $(PYTHONS); give one: make setup PYTHON=/path/to/python' >&2; \
		exit 1; \
	fi; \
	echo "setup: .venv from $$("$$found" --version) and requirements.lock, about two minutes"; \
	"$$found" -m venv --clear .venv
	@awk '/^setuptools==/, !/\\$$/' requirements.lock > .venv/setuptools.lock
	@$(PIP_INSTALL) --require-hashes -r .venv/setuptools.lock
	@$(PIP_INSTALL) --require-hashes --no-build-isolation --use-pep517 -r requirements.lock
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: $(INSTALLED) ## Walk the whole chain: sources, manifests, audit, regenerate, two trainings.
	@$(BIN)/python demo.py

.PHONY: test
test: $(INSTALLED) ## Run the tests, without the slow ones.
	@$(BIN)/python -m pytest -m "not slow"

.PHONY: test-slow
test-slow: $(INSTALLED) ## Run the slow tests only.
	@$(BIN)/python -m pytest -m slow

.PHONY: lint
lint: $(INSTALLED) ## Check style, formatting, types and the arrows between the packages.
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: bench
bench: $(INSTALLED) ## Measure ours beside its rivals, within an hour, and write benchmarks/RESULTS.md (BENCH= options).
	@$(BIN)/python -m benchmarks.bench $(BENCH)

.PHONY: clean
clean: ## Remove .venv, builds, caches and the demo's output; stores and runs stay.
	@rm -rf .venv .bench build demo-output dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Only when the demo's sources, its recipes or the format changed: everybody's ids change with it.
.PHONY: published
published: $(INSTALLED) ## For maintainers: build the demo's manifests anew into manifests/published.
	@rm -rf manifests/published && mkdir manifests/published
	@store=$$(mktemp -d) && trap 'rm -rf "$$store"' EXIT && \
		for session in demo-session1 demo-session2; do $(BIN)/curation build $$session --store "$$store" || exit 1; done && \
		cp -R "$$store/manifests" "$$store/refs" manifests/published/

# Versions already in the lock stay where pyproject.toml allows them; delete the file first to renew them all.
# uv takes the index from its own settings and writes neither that nor any path.
.PHONY: lock
lock: ## For maintainers: write requirements.lock anew from pyproject.toml (needs uv).
	@command -v $(UV) >/dev/null || { echo 'lock: uv is not installed; give it: make lock UV=/path/to/uv' >&2; exit 1; }
	@$(UV) --quiet pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--all-extras --no-annotate --custom-compile-command 'make lock' -o requirements.lock pyproject.toml
	@echo "lock: $$(grep -c '==' requirements.lock) distributions; tests/test_lock.py checks them"
