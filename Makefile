# make install: .venv with the pinned packages; make train: that, then the quickstart; make test: every test;
# make check: what CI runs; make test-maxtext: engine maxtext's tests, in an environment of its own (.venv-maxtext, Python 3.12,
# 2.2 GB); make bench: every measured ratio, into docs/benchmarks.md (25 minutes); make bench-gpu: the same of an NVIDIA GPU;
# make torture: the attacks; make audit: is each constraint a pin, and is anything known against it? (pip-audit, in .venv-audit).

PYTHON ?= python3
PYTHON312 ?= python3.12
BIN := .venv/bin
# DIGITS names the digits of the benches: a folder of MNIST's IDX files; without it, smaller ones.
DIGITS ?=
EXTRAS := trl,deepspeed,tunix,mnist,math,webui,dev
# TORCH_INDEX_URL names another package index for torch, for one of its CUDA or CPU builds.
TORCH_INDEX := $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL))

.PHONY: install train test check lint types bench bench-gpu torture audit docs wheel clean install-maxtext test-maxtext

install: .venv/installed

.venv/installed: pyproject.toml constraints/common.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("grpoctl needs Python 3.11 or newer; name one with PYTHON=…")'
	$(PYTHON) -m venv .venv
	# torch comes first and alone: asked for by another package, it would bring gigabytes of CUDA to machines without a GPU.
	$(BIN)/pip install --quiet $(TORCH_INDEX) torch==$$(sed -n 's/^torch==//p' constraints/common.txt)
	$(BIN)/pip install --quiet --constraint constraints/common.txt --editable '.[$(EXTRAS)]'
	touch $@

install-maxtext: .venv-maxtext/installed

.venv-maxtext/installed: pyproject.toml constraints/maxtext.txt
	$(PYTHON312) -m venv .venv-maxtext
	# MaxText's package names no dependencies, so the constraints are the whole list.
	.venv-maxtext/bin/pip install --quiet --constraint constraints/maxtext.txt --requirement constraints/maxtext.txt
	.venv-maxtext/bin/pip install --quiet --no-deps --editable .
	touch $@

test-maxtext: install-maxtext
	.venv-maxtext/bin/pytest tests/engines/maxtext

train: install
	$(BIN)/grpoctl train recipes/quickstart.yaml

test: install
	$(BIN)/pytest

check: install lint types test

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install
	$(BIN)/mypy

bench: install
	$(BIN)/python benchmarks/all.py $(if $(DIGITS),--data $(DIGITS))

bench-gpu: install
	$(BIN)/python benchmarks/gpu.py

torture: install
	$(BIN)/pytest -m torture tests/torture tests/test_wheel.py -s

audit: .venv-audit/bin/pip-audit
	.venv-audit/bin/python scripts/audit.py

.venv-audit/bin/pip-audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet pip-audit

docs: install
	$(BIN)/python -m grpoctl.recipe.docs

wheel: install
	$(BIN)/python -m hatchling build -t wheel

clean:
	rm -rf .venv .venv-maxtext .venv-audit dist .mypy_cache .pytest_cache .ruff_cache
