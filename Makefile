# Two commands are all that is needed: `make run` and `make test`. The rest saves some typing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test soak fmt lint clean

help: ## this list
	@sed -n 's/^\([a-z]*\): ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: ## the demonstration: database, server, 200 simulated devices; Ctrl-C ends it
	@deploy/run

test: ## everything the tests need, then all tests
	@deploy/test

soak: ## the property tests of the pure crates with another seed and more cases (SEED=, CASES=)
	@seed=$${SEED:-$$RANDOM$$RANDOM}; echo "SEED=$$seed"; \
	PROPTEST_RNG_SEED=$$seed PROPTEST_CASES=$${CASES:-5000} cargo test --release --no-fail-fast \
	  -p homeward-proto -p homeward-codec -p homeward-engine -p homeward-alerts-core

fmt: ## format the Rust code
	@cargo fmt --all

lint: ## clippy and shellcheck, warnings as errors
	@cargo clippy --workspace --all-targets -- -D warnings
	@shellcheck deploy/lib.sh deploy/run deploy/test deploy/native/* .ci/run

clean: ## remove what was built and .homeward/ (stops its servers)
	@deploy/clean
