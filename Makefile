# Two commands set up all they need: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: demo test lint format docs clean

demo: $(VENV)/.demo
	$(BIN)/susurrus transcribe examples/jfk.mp3 --model tiny.en --output_format srt

test: $(VENV)/.test lint
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.test
	$(BIN)/python docs/reference/generate.py

clean:
	rm -rf $(VENV) jfk.srt .susurrus

# The core and a small model that runs on NumPy alone: a small download, no framework.
$(VENV)/.demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --editable ".[tiny-en]"
	touch $@

# torch first and pinned: a range would let pip take a build with gigabytes of CUDA.
$(VENV)/.test: $(VENV)/.demo constraints.txt
	$(PIP) install --constraint constraints.txt torch
	$(PIP) install --constraint constraints.txt --editable ".[torch,tiny-en,base,evaluate,plot,dev]"
	touch $@
