# Targets document themselves: `make` prints the lines with two hashes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
.DEFAULT_GOAL := help
.PHONY: help setup vulkan verify nightly oracle power modules hosts fuzz test examples lint bench golden clean

help: ## Print this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-8s %s\n", $$1, $$2}'
	@echo
	@echo "  make verify MODEL=mnist_mlp [STEPS=200|full] [BACKENDS=cpu,cuda] [PROFILE=published] [DTYPE=f64] [BATCH=4] [IMAGE_SIZE=64]"
	@echo "              [DATA=folder|synthetic] [MODE=strict] [SEED=43] [OUT=folder] [ARGS='--compile-all']"

setup: $(STAMP) ## Create .venv and install the package with its development tools

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

# Whoever is no root, has no apt or has a driver goes on as they are; without one, tests on Vulkan are skipped.
vulkan: ## Install Mesa's Vulkan driver, which needs no GPU, where there is none and one is root on Debian
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! find /usr/share/vulkan /etc/vulkan -name '*icd*.json' 2>/dev/null | grep -q .; then \
	  echo "installing mesa-vulkan-drivers"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers; } >/dev/null 2>&1 \
	    || echo "mesa-vulkan-drivers could not be installed: tests on Vulkan are skipped"; \
	fi

MODEL ?= mnist_mlp
VERIFY_FLAGS := $(if $(STEPS),--steps '$(STEPS)') $(if $(BATCH),--batch '$(BATCH)') \
	$(if $(IMAGE_SIZE),--image-size '$(IMAGE_SIZE)') $(if $(BACKENDS),--backends '$(BACKENDS)') \
	$(if $(PROFILE),--profile '$(PROFILE)') $(if $(DTYPE),--dtype '$(DTYPE)') $(if $(DATA),--data '$(subst ~/,$(HOME)/,$(DATA))') \
	$(if $(MODE),--mode '$(MODE)') $(if $(SEED),--seed '$(SEED)') $(if $(OUT),--out '$(subst ~/,$(HOME)/,$(OUT))') $(ARGS)

verify: $(STAMP) ## Train MODEL with both pipelines on every backend present and judge each pair
	$(BIN)/python -m harness verify '$(MODEL)' $(VERIFY_FLAGS)

oracle: $(STAMP) ## Compare the gradients of both pipelines, tensor by tensor [CASE="uib fire"] [DTYPE=f64]
	$(BIN)/python -m harness oracle $(CASE) $(if $(DTYPE),--dtype '$(DTYPE)') $(if $(DATA),--data '$(subst ~/,$(HOME)/,$(DATA))') $(ARGS)

nightly: $(STAMP) vulkan ## Run the night that CONFIG describes and report it; goes on where it was [CONFIG=ci/weekly.toml] [ARGS="--budget 30"]
	ci/nightly.sh $(or $(CONFIG),ci/nightly.toml) $(ARGS)

power: $(STAMP) ## Inject faults and judge clean pairs: detections, survivors and false positives [ONLY=mlp] [ARGS=--resume]
	$(BIN)/python -m harness power $(if $(ONLY),--only '$(ONLY)') $(ARGS)

modules: $(STAMP) ## Inject faults into executors of modules; check right modules and networks [ONLY="check | mlp"] [ARGS=--resume]
	$(BIN)/python -m harness power --modules $(if $(ONLY),--only '$(ONLY)') $(ARGS)

hosts: $(STAMP) ## Kill hosts, couriers and the head during a night on simulated hosts, and count what was lost [ARGS="--kills 40"]
	$(BIN)/python -P -m harness.validation.hosts.campaign $(ARGS)

EXAMPLES ?= 40
DRAW ?= $(shell date +%Y%m%d)

fuzz: $(STAMP) ## Draw networks and compare their gradients in f64 [EXAMPLES=200] [DRAW=20260401, by default today]
	HARNESS_FUZZ_EXAMPLES='$(EXAMPLES)' $(BIN)/python -m pytest tests/validation/test_fuzz.py -n 2 --hypothesis-seed='$(DRAW)'

test: $(STAMP) vulkan ## Lint, check types and run the tests
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

examples: ## Run the examples, also those in PyTorch, in an environment of their own [PYTHON=python3.12]
	test -x $(VENV)-examples/bin/python || $(PYTHON) -m venv $(VENV)-examples
	$(VENV)-examples/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,examples]'
	$(VENV)-examples/bin/python -m pytest tests/examples $(ARGS)

lint: $(STAMP) ## Reformat and lint
	$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/mypy

golden: $(STAMP) ## Rewrite the golden files of emitted code (read the diff before committing it)
	$(BIN)/python -m pytest tests/emit/test_golden.py --update-golden

bench: $(STAMP) ## Measure steps, tracing and the differ, as ratios, and the reports of 200 and of 1,000 cells
	$(BIN)/python -m bench $(ARGS)

clean: ## Remove the environments and what emission left in build
	rm -rf $(VENV) $(VENV)-examples build
