# Everything runs in .venv, made from constraints.txt on first use; python3 and make are all that is needed.
TARGET ?= auto
ARGS ?=
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# targets whose server we set up ourselves
ENGINES := llama-cpp vllm-cpu transformers

# Compiled modules are kept even where the environment says otherwise: runs start hundreds of interpreters.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help gate test check matrix bench coverage dialects clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@echo "setting up $(VENV) (about 100 MB, a minute or two)"
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

gate: $(STAMP)  ## judge a deployment: TARGET=auto|reference|fastdeploy|llama-cpp|vllm-cpu|transformers, ARGS='--base-url ...'
	$(if $(filter $(TARGET),$(ENGINES)),@$(RUN) -m ernie_conformance.launch.engines.setup $(TARGET))
	$(RUN) -m pytest --target $(TARGET) -m "env or api or acceptance" $(ARGS)

test: $(STAMP)  ## everything CI runs: lint, types, the proofs of the suite, the gate on the reference, llama.cpp
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(RUN) -m pytest tests/selftest -n 2 -m "not dialects" -p no:cacheprovider
	$(RUN) -m pytest --target reference -m "env or api or acceptance" --report-dir report/reference
	$(RUN) -m ernie_conformance.faults.matrix --check --evidence report/reference/evidence.jsonl
	$(MAKE) gate TARGET=llama-cpp ARGS="--report-dir report/llama-cpp"

check: $(STAMP)  ## the inner loop: lint, types, quick proofs
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(RUN) -m pytest tests/selftest -n 2 -m "not slow and not dialects" -p no:cacheprovider -q

matrix: $(STAMP)  ## every broken server against every row: docs/matrix.md
	$(RUN) -m ernie_conformance.faults.matrix

bench: $(STAMP)  ## what the suite itself costs: report/bench.json; ARGS=--keep adds to docs/bench.jsonl
	$(RUN) -m ernie_conformance.programs.bench $(ARGS)

coverage: $(STAMP)  ## which lines of the library the proofs, the gate and the matrix run: some 20 minutes
	$(RUN) -m coverage erase
	-$(RUN) -m coverage run -m pytest tests/selftest -n 2 -m "not dialects" -p no:cacheprovider -q
	-$(RUN) -m coverage run -m pytest --target reference -m "env or api or acceptance" --report-dir report/reference -q
	-$(RUN) -m coverage run -m ernie_conformance.faults.matrix --evidence report/reference/evidence.jsonl
	$(RUN) -m coverage combine -q
	$(RUN) -m coverage report --skip-covered --sort=miss

dialects: $(STAMP)  ## the reference as FastDeploy 2.0 and 2.6: red is what is waived, no more and no less
	$(RUN) -m pytest tests/selftest -n 2 -m dialects -p no:cacheprovider

clean:  ## remove what was built and reported
	rm -rf $(VENV) report .cache
