# The commands to remember. Each makes ready what it needs, and is quick where all is there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true  # pip would do it on one core
READY := $(VENV)/.ready
RUN ?= quick
A ?= stack
DEVICE ?= cuda
B ?= item-bias
SMALL ?= coat un-votes senate-trades house-trades ml-latest-small jester msweb lastfm book-crossing
# a split of a thousand users fills 16 MB
OF_jester := --set protocol.cold_users=0.05
OF_msweb := --shots 0,1,2,4 --set protocol.query=5 --set protocol.cold_users=0.05
OF_lastfm := --set protocol.cold_users=0.1
OF_book-crossing := --set protocol.cold_users=0.1
.DEFAULT_GOAL := help
.PHONY: help setup benchmark test report plots compare speed speed-check cuda anchors check fuzz-short test-scale nightly published site clean
# $(call stage,NAME,COMMAND): runs it, and says the seconds it took
stage = @begun=$$(date +%s); { $(2); }; code=$$?; \
  echo "$(1): $$(($$(date +%s) - begun)) s"; exit $$code

help:       ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(READY)  ## a virtual environment with pinned versions in .venv

benchmark: $(READY)  ## the quick grid on real data, and its report: runs/quick/report/index.html
	$(BIN)/coldbench run $(RUN)
	$(BIN)/coldbench report $(RUN)

test: $(READY)  ## style, and every test, types among them; each stage says its seconds
	$(call stage,style,$(BIN)/ruff check . && $(BIN)/ruff format --check .)
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder --durations=10

report: $(READY)  ## all tables and the page of a run (RUN=quick)
	$(BIN)/coldbench report $(RUN)

plots: $(READY)  ## the figures alone (RUN=quick)
	$(BIN)/coldbench report $(RUN) --format png

compare: $(READY)  ## two methods, paired by user (RUN=quick A=stack B=item-bias)
	$(BIN)/coldbench compare $(RUN) $(A) $(B)

PEERS = $(PIP) --no-deps -r requirements-peers.txt || echo "LensKit could not be installed: its rows are left out"
SPEED = $(BIN)/python -m pytest -q benchmarks/speed -o python_files='bench_*.py'

speed: $(READY)  ## ratios against named peers in one run: runs/speed.json, and the table of docs/speed.md
	$(PEERS)
	$(SPEED)
	$(BIN)/python -P -m coldbench.benchmarks.speed.table

speed-check: $(READY)  ## the same; fails where a ratio fell by a quarter against that table
	$(PEERS)
	$(SPEED)
	$(BIN)/python -P -m coldbench.benchmarks.speed.table --check

cuda:       ## what a GPU computes and how fast, without a network: runs/cuda.json (DEVICE=cpu: a rehearsal)
	$(or $(wildcard $(BIN)/python),$(PYTHON)) -m coldbench.benchmarks.speed.cuda --device $(DEVICE)

anchors: $(READY)  ## published numbers beside chance and ours: runs/anchors
	$(BIN)/coldbench anchors

published: $(READY)  ## the small sets run and archived anew: published/ (COLDBENCH_DATA=FOLDER: their originals)
	$(foreach set,$(SMALL),$(BIN)/coldbench run small -d $(set) --name small-$(set) $(OF_$(set)) && \
	  $(BIN)/coldbench archive small-$(set) -o published/$(set).coldbench.zip && ) true

site: $(READY)  ## the site of the archives in published/: site/index.html
	$(PIP) -c constraints.txt -e '.[site]' || echo "the plot's library could not be installed: the site is made without"
	$(BIN)/coldbench site published/*.coldbench.zip -o site --docs docs

check: $(READY)  ## the conformance table of every method
	$(BIN)/coldbench check --all

fuzz-short: $(READY)  ## each parser against hostile bytes, 30 seconds each: runs/fuzz
	$(PIP) -c constraints.txt -e '.[fuzz]'
	$(BIN)/python tests/fuzz/run.py --seconds 30

test-scale: $(READY)  ## faults on a real SLURM (apt-get install slurm-wlm) and Ray: half an hour
	COLDBENCH_SCALE=1 $(BIN)/python -m pytest -q tests/scale

nightly: $(READY)  ## what takes hours: 10 minutes of fuzz each, 200 kills, mutants of the honesty layer
	$(PIP) -c constraints.txt -e '.[fuzz]'
	$(BIN)/python tests/fuzz/run.py --seconds 600
	COLDBENCH_KILLS=200 COLDBENCH_ATTACKS=all $(BIN)/python -m pytest -q -n auto --dist loadfile \
	  -o faulthandler_timeout=14400 tests/attacks
	COLDBENCH_ARTEFACTS=all $(BIN)/python -m pytest -q tests/recommend/test_recommender.py tests/methods/test_later_items.py
	COLDBENCH_ELSEWHERE=1 $(BIN)/python -m pytest -q tests/house/test_elsewhere.py
	COLDBENCH_API_EXAMPLES=1000 $(BIN)/python -m pytest -q --timeout 3600 tests/serving/test_fuzz.py
	COLDBENCH_SCALE=1 $(BIN)/python -m pytest -q tests/scale
	COLDBENCH_WHEEL=1 $(BIN)/python -m pytest -q tests/serving/test_from_wheel.py
	$(BIN)/python tests/mutation/run.py --sample 40

clean:      ## remove the environment, the runs and what tools leave behind
	rm -rf $(VENV) runs site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .benchmarks .hypothesis

# learn2learn is compiled, for 20 s on one core, beside the packages: where it cannot be, its rows read
# unavailable and the rest is installed
NODEPS = $(PIP) --no-deps -r requirements-nodeps.txt >$(VENV)/nodeps.log 2>&1 || { \
  echo "learn2learn was not built (no C compiler? see $(VENV)/nodeps.log): its two rows will read unavailable"; \
  grep -v ^learn2learn requirements-nodeps.txt >$(VENV)/nodeps.txt; \
  $(PIP) --no-deps -r $(VENV)/nodeps.txt; }

$(READY): pyproject.toml constraints.txt requirements-nodeps.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "coldbench needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(call stage,environment,$(PYTHON) -m venv $(VENV) && $(PIP) --upgrade pip)  # Python 3.11's own takes twice as long
	$(call stage,packages,{ $(NODEPS); } & $(PIP) --no-compile -c constraints.txt -e '.[test]' && wait $$! && { $(COMPILE); })
	touch $@
