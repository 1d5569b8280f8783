# Everything runs from .venv, which any target makes when it is missing. Needs Python 3.11, git, make and the package index.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test test-all test-cluster test-hostile test-docs lint mutate bench docs notebooks package sbom clean

demo: $(READY) ## two bundled models on bundled photographs: the comparison, its report, answers of the best, its ONNX file
	$(BIN)/coldframe compare --data mini:caltech7 --model lite0 --model pocket --seeds 1 --epochs 6 --out runs/demo
	$(BIN)/coldframe datasets mini:caltech7 --examples runs/demo/photos
	$(BIN)/coldframe predict runs/demo/photos/cat.png runs/demo/photos/ship.png --run runs/demo
	$(BIN)/coldframe export runs/demo --out runs/demo/model.onnx
	$(BIN)/python examples/serve_onnx.py runs/demo/model.onnx runs/demo/photos/cat.png

test: $(READY) ## everything but the slow tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not slow and not cluster"

test-all: $(READY) ## every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

test-cluster: $(READY) ## by torchrun, a Slurm that the test starts where it is installed, and two nodes of Ray
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m cluster $(ONLY)

test-hostile: $(READY) ## every number, name, file and stream that is meant to break it
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 tests/hostile

test-docs: $(READY) docs ## every command, code block and notebook of the docs, made small; and every link
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 tests/test_documented_commands.py tests/test_readme.py tests/test_docs.py tests/test_notebooks.py tests/tools

lint: $(READY)
	$(BIN)/ruff check src tests bench examples tools notebooks
	$(BIN)/mypy

mutate: $(READY) ## how many of 50 random one-token changes of the source the tests notice; an hour
	$(BIN)/python tools/mutate.py --count 50

bench: $(READY) ## ratios against the straightforward way and against peers; minutes
	$(BIN)/python bench/main_job.py
	$(BIN)/python bench/allocator.py
	$(BIN)/python bench/graphs.py --quick
	$(BIN)/python bench/attacks.py
	$(BIN)/python bench/prompts.py --skip-grid

docs: $(READY) ## the documentation site, without a network, in build/site; generated pages must be up to date
	$(BIN)/python tools/benchmarks.py --check
	$(BIN)/python tools/choosing.py --check
	$(BIN)/python tools/docs_site.py gather
	$(BIN)/zensical build --clean --strict
	$(BIN)/python tools/docs_site.py check

notebooks: $(READY) ## write notebooks/*.ipynb from notebooks/*.py, which are edited
	$(BIN)/jupytext --quiet --update --to ipynb notebooks/*.py

package: $(READY) ## wheel and sdist in dist/
	$(BIN)/python -m build --no-isolation --outdir dist

sbom: $(READY) ## the components that requirements.lock installs, as CycloneDX, in dist/
	$(BIN)/python tools/sbom.py

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

clean:
	rm -rf .venv runs build dist .cache
