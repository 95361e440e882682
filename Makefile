# Two commands are all that is needed: `make run` and `make test`. The rest saves some typing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test fmt lint clean

help: ## this list
	@sed -n 's/^\([a-z]*\): ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: ## the demonstration: database, server, 200 simulated devices; Ctrl-C ends it
	@deploy/run

test: ## everything the tests need, then all tests
	@deploy/test

fmt: ## format the Rust code
	@cargo fmt --all

lint: ## clippy and shellcheck, warnings as errors
	@cargo clippy --workspace --all-targets -- -D warnings
	@shellcheck deploy/lib.sh deploy/run deploy/test deploy/native/* .ci/run

clean: ## remove what was built and .homeward/ (stops its servers)
	@deploy/clean
