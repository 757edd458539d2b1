# Everything a fresh machine needs: each target makes its own environment first.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 2
# Tests run two at a time, one thread each: two trainings of two threads starve each other.
test test-slow: export OMP_NUM_THREADS = 1

.PHONY: demo test test-slow lint docs web clean

demo: .venv/installed
	rm -rf demo
	$(BIN)/askance demo demo

test: .venv/installed-dev browser web
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: .venv/installed-dev browser web postgres
	$(BIN)/python -m pytest -n 2 -m slow --timeout 1800

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --python-version 3.10
	$(BIN)/mypy --python-version 3.13

docs: .venv/installed-dev
	$(BIN)/python docs/generate.py

# pip, not another installer: see docs/dependencies.md on PyTorch's CPU build.
.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps monailabel==0.8.5  # for its client alone, which tests drive
	touch $@

# The server's programs alone: the slow tests start their own server, on a port of their own.
.PHONY: postgres
postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
		{ apt-get update -qq && apt-get install -y -qq postgresql; } || \
		{ echo "no PostgreSQL: install it with your system's packages; its tests will fail on CI"; test -z "$$CI"; }

# A picture of every state of the expert's page, in ./screenshots.
.PHONY: screenshots
screenshots: .venv/installed-dev browser web
	PYTHONPATH=tests/server $(BIN)/python tests/server/page_states.py screenshots

.PHONY: browser
browser:
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; } || \
		{ echo "no chromium: install it with your system's packages; browser tests will fail on CI"; test -z "$$CI"; }

# The expert's page: third-party code comes from npm, pinned by web/package-lock.json, and is not committed.
PAGE := src/askance/server/assets/index.html
web: $(PAGE)
$(PAGE): web/package-lock.json web/build.mjs $(wildcard web/src/* web/licences/*)
	@command -v npm >/dev/null || { echo "no npm: install Node.js; without it everything but the page works"; test -z "$$CI"; }
	! command -v npm >/dev/null || (cd web && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent build)

clean:
	rm -rf .venv demo build dist
