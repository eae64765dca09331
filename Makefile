# Everything a person runs. On Windows, and without make, see README.md.
PYTHON ?= $(or $(shell command -v python3.11 2>/dev/null),$(shell command -v python3 2>/dev/null),python)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Three processes with a thread each: the suite waits a lot, and threads that wait for each other cost more than they bring.
# Where bytecode may not be kept, each of them compiles all tests anew: a tenth of what they compute.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile

.PHONY: setup demo test check format words clean

setup: $(STAMP)

$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Atelier needs Python 3.11 or newer; \
	say which with: make setup PYTHON=/path/to/python")'
	@# One that was begun without pip, as where Debian's python3-venv is missing, is begun again.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "Installing what Atelier needs into $(VENV): some 2 GB and some minutes, most of it for PyTorch."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@# Without its torchvision, which nothing here needs, and which must be built for the same device as torch.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps spandrel
	@touch $(STAMP)

demo: setup
	@$(BIN)/python -m playground.demo

test: setup
	$(PYTEST)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

words: setup
	$(BIN)/python -m bot.catalogues

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
