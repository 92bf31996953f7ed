# Everything a fresh machine needs: `make demo` and `make test` set themselves up.
# Another interpreter: make PYTHON=/path/to/python3.12; another environment: make VENV=/path.

VENV ?= .venv
PYTHON ?=
BIN := $(VENV)/bin
READY := $(VENV)/.brainseg-ready

# Two processes share the test files out, each with a thread for arithmetic and a virtual screen of
# its own; if one of them dies, the test that killed it is named and the rest goes on.
TEST_WORKERS ?= 2
TEST_THREADS ?= 1
TEST_ENV = OMP_NUM_THREADS=$(TEST_THREADS) MKL_NUM_THREADS=$(TEST_THREADS)

.PHONY: setup system system-tests demo run test test-long check bench docs clean
.DEFAULT_GOAL := setup

setup: system $(READY) ## make .venv, install BrainSeg editable with all tools (once)
	@echo "Ready. Next: make demo, make run, make test (targets: demo run test test-long check bench docs clean)."

system: # the packages that Qt needs, where apt is ours to use; else names what is missing
	@sh .ci/system-packages

$(BIN)/python:
	@python=$$(PYTHON='$(PYTHON)' sh .ci/find-python) && echo "Making $(VENV) with $$python" && "$$python" -m venv '$(VENV)'

$(READY): pyproject.toml | system $(BIN)/python
	@echo "Installing BrainSeg into $(VENV): 7 GB on disk, some minutes (once) ..."
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: system $(READY) ## see it work: in the window, or without a screen into demo-output/
	$(BIN)/brainseg demo

run: system $(READY) ## open the viewer; STUDY=/path/to/patients opens it there
	$(BIN)/brainseg run $(STUDY)

system-tests: # dciodvfy and dcmdump, which tests of DICOM output ask; without them those are skipped
	@sh .ci/system-packages tests

test: system-tests $(READY) ## the tests, about 15 minutes on two cores
	$(TEST_ENV) $(BIN)/python -m pytest -m "not slow" --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

test-long: system-tests $(READY) ## the tests that take longer
	$(TEST_ENV) $(BIN)/python -m pytest -m slow --timeout 1800 || { code=$$?; [ $$code -eq 5 ] && echo "No test is marked slow yet."; }

check: system $(READY) ## lint, format, types, layers, manifest
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate napari-brainseg

bench: system $(READY) ## speed and memory, on real patients where ../shared/data is at hand
	$(BIN)/python -m pytest tests/benchmarks -s --timeout 3600

docs: system $(READY) ## check that pages name real paths, links, commands and settings
	$(BIN)/python -m pytest tests/architecture/test_docs.py -q

clean: ## remove what the other targets made, but .venv
	rm -rf build dist *.egg-info demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find napari_brainseg training tests -name __pycache__ -type d -prune -exec rm -rf {} +
