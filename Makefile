# make demo   train on the embedded synthetic motion, lift a real person in four views by the weights of the package
# make test   run the test suite
# make lint   ruff, mypy and import-linter: style, types, and that nothing lower imports anything higher
# make fuzz   hand the library thousands of damaged files and silly options (about a quarter of an hour)
# make bench  time models and layers against named alternatives (more than an hour; compiling takes most of it);
#             MODELS_OPTIONS="--published-repos DIR" takes clones of the authors' repositories as a side
# make docs   build the site; open docs/_build/html/index.html
# make links  ask every address that the site names whether it is there (needs the internet)
# make study  train every network on open motion, a minute each, and write docs/open_results.md (some hours; goes on where it was)
# make release-check  what is published, as a stranger gets it: wheel and sdist, installed and run in empty environments
# Each makes .venv on first use. PYTHON chooses the interpreter, VENV the folder.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# two OpenMP threads on a busy machine are slower than one, and the suite runs in parallel processes anyway
TEST_THREADS ?= 1
TEST_PROCESSES ?= 2
DEMO_OPTIONS ?=
FUZZ_OPTIONS ?=
STUDY_OPTIONS ?=
MODELS_OPTIONS ?=
RELEASE_OPTIONS ?=

.PHONY: demo test lint fuzz bench docs links study release-check clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[train,lift]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/skelgraph train --dataset synthetic --downsample 4 --max-epochs 6 --out runs/demo --overwrite $(DEMO_OPTIONS)
	$(BIN)/skelgraph lift --example --format npz,html,gif --out runs/demo/four_views --overwrite

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=$(TEST_THREADS) $(BIN)/python -m pytest -n $(TEST_PROCESSES)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m tests.fuzz --processes $(TEST_PROCESSES) $(FUZZ_OPTIONS)

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/models.py --docs docs/benchmarks/models.md $(MODELS_OPTIONS)
	for name in layers bf16 hypergraph scaling; do \
		$(BIN)/python benchmarks/$$name.py --docs docs/benchmarks/$$name.md || exit 1; \
	done
	$(BIN)/python docs/_ext/results.py

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[docs]"
	touch $@

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

links: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -q -b linkcheck docs docs/_build/links

study: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/open_study.py --docs docs/open_results.md $(STUDY_OPTIONS)
	$(BIN)/python docs/_ext/results.py

release-check: $(VENV)/.installed-dev
	$(BIN)/python -m tests.release $(RELEASE_OPTIONS)

clean:
	rm -rf $(VENV) runs docs/_build docs/reference .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
