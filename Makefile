# Each target makes .venv and installs what it needs, once; make help lists the targets.

SUPPORTED := python3.11 python3.12 python3.13 python3 python
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
MINUTES := 30
# With it, each of the hundreds of processes of the tests would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: benchmark help test torture soak check docs site results results-2019 bench bench-gpu clean

# The main job: six real models on real pictures, computed now, and their accuracy table.
benchmark: .venv/demo
	$(BIN)/imagenet-benchmark predict demo --store build/benchmark --again
	@echo
	@$(BIN)/imagenet-benchmark table --store build/benchmark --images demo

# This list.
help:
	@awk '/^# /{text = text " " substr($$0, 3); next} /^[a-z0-9-]+:/{sub(":.*", ""); printf "%-13s%s\n", $$0, text} \
	    {text = ""}' Makefile

# The project's own tests, three files at a time, as some wait; each on one core.
test: .venv/all
	OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 \
	    $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

# That no result is lost: kills, full disks, hostile and damaged files; ten minutes.
torture: .venv/all
	@rm -f build/torture.jsonl; mkdir -p build
	TORTURE_TALLY=$(CURDIR)/build/torture.jsonl \
	    $(BIN)/python -m pytest -q -n 2 --dist loadfile tests/torture tests/predictions/test_integrity.py --full; \
	    status=$$?; \
	    $(BIN)/python -m tests.torture.tally build/torture.jsonl results/reliability.md; \
	    exit $$status

# Eight commands at a time over one store, killed at random, for MINUTES=30; needs root.
soak: .venv/all
	PYTHONPATH=$(CURDIR)/tests $(BIN)/python -m torture.soak --minutes $(MINUTES) --out results/reliability.md

# Format, lint and types.
check: .venv/check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The documentation, as a site that needs no network: build/site/index.html.
docs: .venv/docs
	$(BIN)/python docs/build.py

# The leaderboard, build/leaderboard/index.html; ADDRESS=URL is where it will be.
site: .venv/report
	@rm -rf build/public; mkdir -p build; cp -R precomputed build/public
	@$(BIN)/imagenet-benchmark fetch predictions-2019 $(FROM:%=--from %) \
	    && $(BIN)/imagenet-benchmark import --store build/public \
	    || echo "The leaderboard is without the models of 2019." >&2
	$(BIN)/imagenet-benchmark site --store build/public $(ADDRESS:%=--address %) -o build/leaderboard

# The tables in results/, from the predictions in precomputed/, the list of all models, and the
# gallery, if the arrays of 2019 can be fetched; see results-2019.
results: .venv/base
	@mkdir -p build
	@for images in $(notdir $(wildcard precomputed/*)); do for format in md csv; do \
	    $(BIN)/imagenet-benchmark table --store precomputed --images $$images \
	        -o results/$$images.$$format || exit; \
	done; done
	@$(BIN)/imagenet-benchmark models -o results/all-models.md >build/models.txt
	@$(MAKE) --no-print-directory results-2019 \
	    || echo "The table and the figures of 2019 stay as they are." >&2

# The table and the figures of 2019, from its arrays; FROM=DIR or FROM=URL without network, and
# LABELS=DIR or LABELS=URL for the ReaL labels.
results-2019: .venv/report
	$(BIN)/imagenet-benchmark fetch predictions-2019 $(FROM:%=--from %)
	$(BIN)/imagenet-benchmark import --store build/2019
	@for format in csv md tex json; do \
	    $(BIN)/imagenet-benchmark table --store build/2019 -o results/imagenet-val-2019.$$format \
	        || exit; \
	done
	$(BIN)/imagenet-benchmark fetch real-labels $(LABELS:%=--from %) \
	    || echo "The figure of ReaL labels stays as it is." >&2
	$(BIN)/python docs/gallery.py build results/figures

# The benchmarks of speed, an hour; TIMM=FILE also measures timm's validate.py.
bench: .venv/all
	$(BIN)/python benchmarks/rivals.py results/speed/rivals.md $(TIMM:%=--timm %)
	$(BIN)/python benchmarks/table.py results/speed/table.md
	$(BIN)/python benchmarks/pipeline.py results/speed/pipeline.md
	$(BIN)/python benchmarks/readers.py results/speed/readers.md
	$(BIN)/python benchmarks/counts.py results/speed/counts.md
	$(BIN)/python benchmarks/sweep.py results/speed/sweep.md
	$(BIN)/python benchmarks/compiled.py results/speed/compiled.md
	$(BIN)/python benchmarks/keras_samples.py results/speed/keras-samples.md
	$(BIN)/python benchmarks/memory.py results/speed/memory.md
	$(BIN)/python benchmarks/ray_overhead.py results/speed/ray.md
	$(BIN)/python benchmarks/scale.py results/speed/scale.md

# The benchmarks of speed on a GPU.
bench-gpu: .venv/all
	$(BIN)/python benchmarks/pytorch_gpu.py results/speed/pytorch-gpu.md
	$(BIN)/python benchmarks/gpu.py results/speed/gpu.md

# Remove .venv and build.
clean:
	rm -rf .venv build

.venv/base: constraints.txt setup.py | .venv/made
	$(INSTALL) -e .
	@touch $@

.venv/check: constraints.txt setup.py | .venv/made
	$(INSTALL) -e . mypy ruff
	@touch $@

.venv/report: constraints.txt setup.py | .venv/made
	$(INSTALL) -e '.[report]'
	@touch $@

.venv/docs: constraints.txt setup.py | .venv/made
	$(INSTALL) -e '.[docs]'
	@touch $@

.venv/demo: constraints.txt setup.py | .venv/made
	@echo "Installing PyTorch, TensorFlow, three models and twenty pictures into .venv, once."
	$(INSTALL) -e '.[demo]'
	@touch $@

.venv/all: constraints.txt setup.py | .venv/made
	@echo "Installing PyTorch, TensorFlow, models, pictures and test tools into .venv, once."
	$(INSTALL) -e '.[all]'
	@touch $@

.venv/made:
	@for python in $(SUPPORTED); do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	            2>/dev/null; then \
	        echo "Making .venv with $$($$python --version)."; \
	        $$python -m venv --clear .venv && touch $@; exit; \
	    fi; \
	done; \
	echo "No supported Python was found: install Python 3.11, 3.12 or 3.13 with its venv module." >&2; \
	exit 1
