# The course and its tests. Each target makes the environment .venv first if it is missing or old.
#   make course    run every notebook and tell where to look
#   make lab       open JupyterLab on the course
#   make test      everything that is checked in minutes
#   make test-slow the rest; needs Chromium or Chrome, for the notebooks and pages in a real browser
PYTHON ?= python3
OMP_WAIT_POLICY ?= passive
export OMP_WAIT_POLICY
export PIP_DISABLE_PIP_VERSION_CHECK = 1

BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := course
.PHONY: course lab doctor test test-slow lint notebooks bench clean

course: $(READY)
	$(BIN)/capstone run

lab: $(READY)
	$(BIN)/capstone lab

doctor: $(READY)
	$(BIN)/capstone doctor

test: lint
	$(BIN)/pytest -q -n 2 -m "not slow and not browser"

test-slow: $(READY)
	$(BIN)/pytest -q -n 2 --dist loadfile -m "slow or browser"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m capstone_lib.course.sync --check

notebooks: $(READY)
	$(BIN)/python -m capstone_lib.course.sync

bench: $(READY)
	$(BIN)/python benchmarks/batch.py
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/monitoring.py
	$(BIN)/python benchmarks/explain.py
	$(BIN)/python benchmarks/hybrid.py

clean:  # what a student has made, work/, stays
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
	  echo "Python 3.11 or newer is needed, $(PYTHON) is not; name one: make PYTHON=python3.12 …"; \
	  exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --require-hashes -r requirements.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $(READY)
