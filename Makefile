# One command for each thing a developer does; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup test slow fuzz versions lint format sanitize bench bench-answers docs pictures site dist unpacked check clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /: /'

$(BIN)/python:
	$(PYTHON) -m venv .venv

setup: $(BIN)/python  ## environment with everything tests and checks need, package in place
	$(BIN)/python -m pip install -e '.[dev]'

test:  ## the tests that run on every change, a process per core
	$(BIN)/python -m pytest -n auto

slow:  ## the tests that take minutes: coverage studies, large and random models
	$(BIN)/python -m pytest -m slow

fuzz:  ## random models against independent answers, an hour or two: tests/fuzz/README.md
	cd tests && ../$(BIN)/python -m fuzz --models 20000 --jobs 2

versions:  ## the tests with the oldest and with the newest versions of dependencies
	.ci/versions

lint:  ## ruff, mypy, clang-format, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files '*.c' '*.h')
	$(BIN)/typos

format:  ## rewrite Python and C in the project's layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $$(git ls-files '*.c' '*.h')

sanitize:  ## the C tests under the address, undefined behaviour and thread sanitizers
	$(BIN)/python -m pytest tests/native

bench:  ## time every benchmark
	$(BIN)/python -m pytest benchmarks

bench-answers:  ## check the answers of the benchmarks, without timing
	$(BIN)/python -m pytest benchmarks --benchmark-disable

docs:  ## run every example of the documentation
	$(BIN)/python -m pytest tests/project/test_docs.py

pictures:  ## draw the pictures of the documentation anew
	$(BIN)/python tests/pictures.py docs/plots.md

site:  ## the documentation as a site, into build/site; warnings are errors
	$(BIN)/python -m sphinx -W --keep-going -q docs build/site

dist:  ## source distribution and wheel, into dist/
	$(BIN)/python -m build

unpacked:  ## the tests of the source distribution, unpacked, in an environment of its own
	.ci/sdist

check: lint test bench-answers  ## what must hold before a change is kept

clean:  ## remove what was built
	rm -rf build dist *.egg-info statsmodels_mixed/_core/*.so .pytest_cache .mypy_cache .ruff_cache
