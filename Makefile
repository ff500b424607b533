# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Every target does its own set-up: system packages, the Python environment in .venv, the images of
# the disposable hosts. Nothing outside this folder changes but the system packages that are missing
# and Podman's own store.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# One gate after the other, but for those that `make test` and `make test-quick` run two at a time.
ifndef side_by_side
.NOTPARALLEL:
endif

# The newest that ansible-core runs on; PYTHON=/path/to/python3.12 chooses another.
PYTHON ?= $(shell tests/tools/newest_python ensurepip)

environment := .venv/.ready
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# What a person set up for other playbooks must not decide a test.
unexport ANSIBLE_CONFIG VIRTUAL_ENV PYTHONPATH
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/playbooks/collections
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: root $(environment) images ## tune disposable hosts, with real connections before and after; the machine stays as it is
	@echo "demo: tuning disposable hosts"
	tests/demo/run

.PHONY: million
million: root $(environment) images ## a million real connections, in one run of tune_clients.yml and prove_clients.yml
	@echo "million: a million real connections in one disposable host"
	tests/million/run

# What two gates at a time must not do to each other: a gate that compares the machine before and after leaves out the
# others' disposable hosts (FOURTUPLE_GATE), and nothing runs beside `first-host`, which remounts the machine's cgroup2,
# or `million`, which takes its memory. The longest go first, so that no core waits for them in the end.
two_at_a_time = $(MAKE) --jobs=2 --output-sync=target side_by_side=yes
export FOURTUPLE_GATE = $@

quick_gates := unit-quick lint examples packaging
.PHONY: test
test: root $(environment) system-containers system-machines system-browser ## the gates that fit into a run of CI, as .ci/run does
	@$(two_at_a_time) machines images unit fuzz lint sanity playbooks packaging report examples
	@$(MAKE) first-host
	@$(two_at_a_time) scenarios reboot crash site rolling differential stateful controllers managers containers demo adoption runners
	@$(MAKE) million

.PHONY: test-quick
test-quick: $(environment) ## without root, for every change: lint, unit-quick, examples and packaging, two at a time
	@$(two_at_a_time) $(quick_gates)

# `make test` leaves out some gates, and a part of what others can generate and combine.
ifeq ($(with),everything)
releases := bookworm trixie
cases :=
chosen :=
trees := --trees 2000 --seed random
faults := --all-faults
profile := --hypothesis-profile=nightly
managers_images := bookworm-managers trixie-managers bookworm-ifupdown2 trixie-ifupdown2
containers_images := trixie-containers
monitoring_images := bookworm-monitoring trixie-monitoring
runners_images := trixie-pull
export FOURTUPLE_STATEFUL_SEQUENCES := 1000
export FOURTUPLE_SANDBOX_SEQUENCES := 8
else
releases := bookworm
chosen := -m "not nightly"
cases := --release bookworm $(chosen)
trees := --trees 150
managers_images := trixie-managers
monitoring_images := trixie-monitoring
endif

.PHONY: nightly
nightly: ## every gate with all its cases, releases and faults, and far more that are generated
	@$(MAKE) with=everything test monitoring programs lockout manager-reboots

.PHONY: lint
lint: $(environment) ## ansible-lint, yamllint, ruff, vermin, mypy, shellcheck
	@echo "lint: yamllint, ruff, vermin, mypy, shellcheck, ansible-lint"
	failed=
	for check in "yamllint --strict ." "ruff check ." "ruff format --check ." tests/lint/pythons mypy tests/lint/shell ansible-lint; do
	    $$check || failed+="; $$check"
	done
	[ -z "$$failed" ] || { echo "lint: failed:$${failed#;}" >&2; exit 1; }

.PHONY: unit
unit: $(environment) ## unit tests, recorded hosts and cases from the field, with the coverage of module_utils
	@echo "unit: the unit tests, the recorded hosts, the cases from the field, and the coverage of plugins/module_utils"
	pytest tests/unit tests/golden tests/field --cov --cov-report=term-missing:skip-covered $(profile)
	# Apart: once something of the controller's is imported, modules hand their warnings to it.
	pytest tests/controller

.PHONY: unit-quick
unit-quick: $(environment) ## unit without what needs root, with fewer generated cases, and without coverage
	@echo "unit-quick: the unit tests, the recorded hosts and the cases from the field that need no root"
	pytest tests/unit tests/golden tests/field -m "not root" --hypothesis-profile=quick
	pytest tests/controller

.PHONY: fuzz
fuzz: $(environment) ## every parser with bytes that nobody meant, and hosts whose files are traps
	@echo "fuzz: every parser, and hosts whose files are traps"
	pytest tests/fuzz $(profile)

.PHONY: sanity
sanity: $(environment) ## ansible-test sanity on the built collection
	@echo "sanity: ansible-test sanity on the built collection"
	tests/sanity/run

.PHONY: packaging
packaging: $(environment) ## what the tarball holds, and its use: from a checkout, from a copy, installed
	@echo "packaging: the tarball, and the playbooks from a checkout and installed"
	pytest tests/packaging

.PHONY: playbooks
playbooks: $(environment) ## whom a run of the playbooks reaches, and that each host's plan is its own
	@echo "playbooks: runs on this machine, which is only looked at"
	pytest tests/playbooks

.PHONY: examples
examples: $(environment) ## documentation against the code: arguments, examples, links, changelog
	@echo "examples: documentation against the code"
	pytest tests/docs

.PHONY: report
report: $(environment) system-browser ## the report: printed, written, and its page in headless Chromium
	@echo "report: the role, and its page in headless Chromium"
	pytest tests/report

.PHONY: site
site: root $(environment) images ## role tune in somebody's site.yml, what a run asks of a host, and the README word for word
	@echo "site: role tune beside other roles, what a run asks of a host, and the README word for word"
	pytest tests/site $(chosen)

.PHONY: rolling
rolling: root $(environment) images ## a fleet in batches, with hosts that fail on purpose in each way
	@echo "rolling: a fleet in batches, with hosts that fail on purpose in each way"
	pytest tests/rolling

.PHONY: differential
differential: root $(environment) images ## generated configuration, resolved by us and by the real thing
	@echo "differential: generated configuration, resolved by us and by systemd-sysctl, procps, pam_limits and systemd"
	pytest tests/differential $(trees)

.PHONY: crash
crash: root $(environment) images ## killed or refused at every write, stopped after every task
	@echo "crash: killed or refused at every write, stopped after every task"
	pytest tests/crash $(faults)

.PHONY: stateful
stateful: root $(environment) images ## the promises after every step of a random life, and hosts that others have tuned
	@echo "stateful: the promises after every step of a random life, and hosts that others have tuned"
	pytest tests/stateful tests/foreign

.PHONY: controllers
controllers: root $(environment) images ## the playbooks with the oldest and the newest ansible-core; nightly with each release
	@echo "controllers: the playbooks with the oldest and the newest ansible-core; nightly with each release, on hosts of each Python"
	pytest tests/ansible_core $(chosen)

.PHONY: adoption
adoption: root $(environment) images ## the example of a Molecule scenario, in a repository and an environment of its own
	@echo "adoption: the example of a Molecule scenario, with the commands of its CI jobs"
	pytest tests/adoption

.PHONY: runners
runners: root $(environment) images ## the engines of docs/engines.md: ansible-runner, ansible-builder; nightly also ansible-pull under its timer
	@echo "runners: ansible-runner, and what ansible-builder makes; nightly also ansible-pull under its timer"
	if [ -n "$(runners_images)" ]; then tests/images/build $(runners_images); fi
	pytest tests/runners $(chosen)

.PHONY: managers
managers: root $(environment) system-containers ## source addresses in the life of a host under real network managers; nightly under each
	@echo "managers: source addresses in the life of a host under real network managers; nightly under each"
	tests/images/build $(managers_images)
	pytest tests/managers $(chosen)

.PHONY: containers
containers: root $(environment) images ## what container engines are told, told to the real ones; nightly also to those of Debian 13
	@echo "containers: what container engines are told, told to the real ones"
	if [ -n "$(containers_images)" ]; then tests/images/build $(containers_images); fi
	pytest tests/containers $(chosen)

.PHONY: monitoring
monitoring: root $(environment) system-containers ## the metrics under Debian's node exporter and Prometheus, with rules, dashboard and timer
	@echo "monitoring: the metrics under Debian's node exporter and Prometheus, with rules, dashboard and timer"
	tests/images/build $(monitoring_images)
	pytest tests/monitoring $(chosen)

.PHONY: lockout
lockout: root $(environment) machines ## what the article warns of, done to virtual machines; and refused beforehand
	@echo "lockout: what the article warns of, done to virtual machines, and refused beforehand"
	tests/lockout/build $(releases)
	pytest tests/lockout $(cases)

.PHONY: bench
bench: root $(environment) images system-compiler ## a run against ping and against loops of tasks, a fleet, other engines, counting against ss, connecting against a loop in C, and what looking up costs
	@echo "bench: a million sockets, counted by connection_limits_info and by ss"
	tests/bench/count_sockets
	@echo "bench: the ports that a million sockets use, against the kernel's own dump"
	tests/bench/pressure
	@echo "bench: connections per second of connection_probe, and of a loop in C"
	tests/bench/connect_rate
	@echo "bench: a second run of tune_clients.yml, as a multiple of ansible -m ping"
	tests/bench/round_trips
	@echo "bench: one host with up to 65,536 source addresses, against a playbook of loops"
	tests/bench/one_host
	@echo "bench: what each host of a fleet costs the controller"
	tests/bench/fleet
	@echo "bench: ansible-runner and ansible-pull against ansible-playbook"
	tests/images/build trixie-pull
	tests/bench/engines
	@echo "bench: round trips among a thousand connections, and among a million"
	tests/bench/lookup_cost

.PHONY: molecule
molecule: first-host scenarios programs reboot ## the roles on disposable hosts and machines, and this machine compared before and after

.PHONY: first-host
first-host: root $(environment) images
	@echo "first-host: the first disposable host of a fresh machine"
	pytest tests/images

.PHONY: scenarios
scenarios: root $(environment) images
	@echo "scenarios: the roles on disposable hosts"
	tests/molecule/run $(filter-out reboot programs,$(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))

.PHONY: programs
programs: root $(environment) system-containers ## real proxies, load generators and clients hold what the plan promises, to the connection
	@echo "programs: real programs hold what the plan promises, and an audit names them"
	tests/images/build programs
	tests/molecule/run programs

.PHONY: reboot
reboot: root $(environment) machines
	@echo "reboot: the roles in a virtual machine that reboots"
	for release in $(releases); do
	    FOURTUPLE_RELEASE=$$release tests/molecule/run reboot
	done

.PHONY: manager-reboots
manager-reboots: root $(environment) system-machines ## source addresses through reboots of virtual machines under each network manager
	@echo "manager-reboots: source addresses through reboots of virtual machines under each network manager"
	tests/vm/build $(addsuffix -managers,$(releases))
	for release in $(releases); do
	    pytest tests/reboot --release $$release
	done

.PHONY: clean
clean: ## remove what make made in this folder; images and system packages stay
	@echo "clean: removing .venv, .cache and the tools' caches"
	rm -rf .venv .cache .ansible .*_cache .hypothesis .coverage fourtuple-clients-*.tar.gz
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: lock
lock: ## pin tests/requirements.txt anew from tests/requirements.in, with the oldest Python
	@echo "lock: pinning tests/requirements.txt"
	fresh=$$(mktemp -d)
	trap 'rm -rf "$$fresh"' EXIT
	python3.11 -m venv "$$fresh"
	"$$fresh/bin/pip" install --quiet --requirement tests/requirements.in
	{
	    echo '# Made by `make lock` from requirements.in; do not edit.'
	    "$$fresh/bin/pip" freeze
	} > tests/requirements.txt

# What follows is set-up that the targets above ask for.

.PHONY: system-environment system-containers system-machines system-browser system-compiler
system-environment system-containers system-machines system-browser system-compiler:
	@tests/tools/system_packages $(@:system-%=%)

$(environment): tests/requirements.txt | system-environment
	@echo "environment: filling .venv from tests/requirements.txt, with $(PYTHON)"
	rm -rf .venv
	"$(PYTHON)" -m venv .venv
	.venv/bin/pip install -qq --requirement tests/requirements.txt
	touch $@

# The hosts hide parts of /proc/sys behind mounts and have namespaces of their own, which takes root.
.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { echo "The disposable hosts need root: run make as root. make test-quick does not." >&2; exit 1; }

.PHONY: images
images: root system-containers
	@echo "images: building the disposable hosts' images that are not there yet"
	tests/images/build

.PHONY: machines
machines: root system-machines
	@echo "machines: building the disks of the virtual machines that are not there yet"
	tests/vm/build $(releases)
