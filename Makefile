# make benchmark   set up, run the default benchmark, say where its report is
# make test        set up, run the checks and tests, without the slow ones
# make test-slow   a run of the workflow in miniature, and two other slow tests, drawn by the commit
# make test-all    every test
# VENV=path        the virtual environment to make or share (6.5 GB);  STUDY=smoke|default|laptop|full;  CORES=all

VENV ?= .venv
PYTHON ?= python3
STUDY ?= default
CORES ?= all
BIN := $(abspath $(VENV))/bin
INSTALLED := $(VENV)/.genbench-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)-$(shell pwd | cksum | cut -d' ' -f1)

.PHONY: benchmark test test-slow test-all lint speed clean
.DEFAULT_GOAL := benchmark

$(INSTALLED):
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

benchmark: $(INSTALLED)
	$(BIN)/snakemake --cores $(CORES) --config study=$(STUDY)
	@echo "The report: $(CURDIR)/reports/$(STUDY)/index.html"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

test: lint
	$(TESTS) -m 'not slow'

test-all: lint
	$(TESTS)

test-slow: $(INSTALLED)
	$(TESTS) -m slow --sample 2

speed: $(INSTALLED)
	$(BIN)/python tests/benchmarks/replicas.py
	$(BIN)/python tests/benchmarks/metrics.py
	$(BIN)/python tests/benchmarks/training.py

clean:
	rm -rf results reports/smoke reports/default reports/full .snakemake
