# SPDX-License-Identifier: GPL-2.0
#
# cpuword, host side. "make" says what to start with and lists the targets. The
# kernel code is built by core/Makefile and kunit/Makefile, inside the kernel
# tree.

# An architecture is a folder; those that QEMU boots have a [machine] in its
# arch.toml. A kernel is a series of patches.
ALL     := $(patsubst tools/arch/%/arch.toml,%,$(sort $(wildcard tools/arch/*/arch.toml)))
ARCHES  := $(patsubst tools/arch/%/arch.toml,%,\
	   $(shell grep -l '^\[machine\]' $(sort $(wildcard tools/arch/*/arch.toml))))
KERNELS := $(shell cd patches && printf '%s\n' */series | cut -d/ -f1 | sort -V)

# setup installs for every architecture unless one is named.
SETUP_ARCHES := $(or $(ARCH),$(ARCHES))
ARCH    ?= x86_64
KERNEL  ?= $(firstword $(KERNELS))
JOBS    ?= $(shell nproc)
VARIANT ?= default

# KUnit needs no machine, port-check takes what is not there yet; some do all at
# once.
VALID := $(if $(filter demo bench dangerzone torture selftests,$(MAKECMDGOALS)),$(ARCHES),$(ALL)) \
	$(if $(filter port-check,$(MAKECMDGOALS)),$(ARCH)) \
	$(if $(filter bench dangerzone torture bisect,$(MAKECMDGOALS)),all)
ifeq ($(and $(filter $(VALID),$(ARCH)),$(filter 1,$(words $(ARCH)))),)
$(error ARCH=$(ARCH) is not supported here; valid: $(strip $(VALID)))
endif
ifeq ($(and $(filter $(KERNELS),$(KERNEL)),$(filter 1,$(words $(KERNEL)))),)
$(error KERNEL=$(KERNEL) is not supported; valid: $(KERNELS))
endif
ifeq ($(shell [ "$(JOBS)" -gt 0 ] 2>/dev/null && echo yes),)
$(error JOBS=$(JOBS) is not a number of jobs)
endif

# What is meant for this Makefile must not reach the kernel's, which the tools
# below start: not the variables, and not the flags.
unexport MAKEFLAGS MFLAGS MAKELEVEL ARCH KERNEL JOBS VARIANT KDIR
unexport LOAD COUNT SECONDS CPUS THRESHOLD MODULE OUT PARTS VMLINUX LEVEL ONLY
unexport BASE FROM TO
.NOTPARALLEL:

run_args = --arch $(ARCH) --kernel $(KERNEL) --jobs $(JOBS)
noise_args = $(if $(LOAD),--load "$(LOAD)") $(if $(COUNT),--count "$(COUNT)") \
	$(if $(THRESHOLD),--threshold "$(THRESHOLD)") $(if $(OUT),--out "$(OUT)")

# An architecture that somebody has asked for: without, it is all of them.
arch_args = $(if $(filter command environment,$(firstword $(origin ARCH))),--arch $(ARCH))

test_args = --kernel $(KERNEL) --jobs $(JOBS) $(if $(ONLY),--only "$(ONLY)")

.PHONY: help setup tree kunit demo noise bench litmus model dangerzone mutants \
	selftests torture checks series bisect test test-long port-check apply clean
help: ## list the targets
	@$(if $(MAKECMDGOALS),,printf 'To start with: make demo, make test\n\n')
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12
	@echo
	@echo "ARCH is one of $(ARCHES) (for kunit also $(filter-out $(ARCHES),$(ALL))): $(ARCH)"
	@echo "demo and noise take LOAD= (a list), COUNT=, THRESHOLD= (us), OUT= (a directory)"
	@echo "noise takes SECONDS= (a load), CPUS= (a list), MODULE= (a path) as well"
	@echo "bench takes ARCH=all and PARTS= (of getpid,entry,broadcast,sources,grace)"
	@echo "torture takes ARCH=all and SECONDS= (a test)"
	@echo "dangerzone takes ARCH=all, VARIANT= and VMLINUX= (a path)"
	@echo "mutants takes LEVEL= and ONLY= (a pattern of names)"
	@echo "series takes OUT= (a directory) and BASE= (the id of a commit)"
	@echo "bisect takes ARCH=all, FROM= and TO= (numbers of patches)"
	@echo "test and test-long take ONLY= (a pattern of steps)"
	@echo "KERNEL is one of $(KERNELS): $(KERNEL); JOBS: $(JOBS)"

setup: ## install the packages that are missing (for ARCH, or for all)
	@tools/setup.sh $(KERNEL) $(SETUP_ARCHES)

tree: ## lay build/<KERNEL>/linux: the kernel with cpuword in it
	@tools/setup.sh $(KERNEL) um
	@tools/cpuword tree --kernel $(KERNEL)

kunit: ## run the KUnit suites on ARCH; VARIANT=<name>, or all
	@tools/setup.sh $(KERNEL) $(ARCH) $(if $(filter clang all,$(VARIANT)),clang)
	@tools/cpuword kunit $(run_args) --variant $(VARIANT)

demo: ## count the IPIs to isolated CPUs on ARCH, with deferral off and on
	@tools/setup.sh $(KERNEL) $(ARCH)
	@tools/cpuword noise --guest $(ARCH) --kernel $(KERNEL) --jobs $(JOBS) $(noise_args)

noise: ## show what reaches the isolated CPUs of this machine, as root
	@tools/setup.sh noise
	@tools/cpuword noise $(noise_args) $(if $(SECONDS),--seconds "$(SECONDS)") \
		$(if $(CPUS),--cpus "$(CPUS)") $(if $(MODULE),--module "$(MODULE)")

bench: ## compare the stock kernel with ours, deferral off and on, on ARCH (or all)
	@tools/setup.sh $(KERNEL) $(if $(filter all,$(ARCH)),$(ARCHES),$(ARCH))
	@tools/cpuword bench $(run_args) $(if $(PARTS),--parts "$(PARTS)")

litmus: ## check the claims about memory ordering, by herd7
	@tools/setup.sh $(KERNEL) um $(patsubst tools/arch/%/litmus.py,%,$(sort $(wildcard tools/arch/*/litmus.py))) litmus
	@tools/cpuword litmus --kernel $(KERNEL) --jobs $(JOBS)

dangerzone: ## check what ARCH (or all) executes before the entry and after the exit hook
	@tools/setup.sh $(KERNEL) $(if $(filter all,$(ARCH)),$(ARCHES),$(ARCH))
	@tools/cpuword dangerzone $(run_args) --variant "$(VARIANT)" $(if $(VMLINUX),--vmlinux "$(VMLINUX)")

model: ## check core/ with two and three CPUs and NMIs, by CBMC
	@tools/setup.sh model
	@tools/cpuword model --jobs $(JOBS)

mutants: ## make faults on purpose, one at a time: does a test notice?
	@tools/setup.sh $(KERNEL) $(ARCHES) litmus model
	@tools/cpuword mutants --kernel $(KERNEL) --jobs $(JOBS) \
		$(if $(LEVEL),--level "$(LEVEL)") $(if $(ONLY),--only "$(ONLY)")

selftests: ## run the kernel's own tests on ARCH, on the stock kernel and on ours
	@tools/setup.sh $(KERNEL) $(ARCH) $(if $(wildcard tools/arch/$(ARCH)/selftests.py),selftests)
	@tools/cpuword selftests $(run_args)

torture: ## run rcutorture, and a torture test of the word, on ARCH (or all)
	@tools/setup.sh $(KERNEL) $(if $(filter all,$(ARCH)),$(ARCHES),$(ARCH))
	@tools/cpuword torture $(run_args) $(if $(SECONDS),--seconds "$(SECONDS)")

checks: ## run the kernel's own checks, and ours of the tools
	@tools/setup.sh $(KERNEL) $(ARCHES) checks
	@tools/cpuword checks $(arch_args) --kernel $(KERNEL) --jobs $(JOBS)

series: ## write the patches as mails, with a cover letter, and check them
	@tools/setup.sh $(KERNEL) um series
	@tools/cpuword series --kernel $(KERNEL) --jobs $(JOBS) \
		$(if $(OUT),--out "$(OUT)") $(if $(BASE),--base "$(BASE)")

bisect: ## build each patch of the series, on ARCH or on all
	@tools/setup.sh $(KERNEL) $(ARCHES) series
	@tools/cpuword bisect $(arch_args) --kernel $(KERNEL) --jobs $(JOBS) \
		$(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)")

test: ## run what a change is likely to break; CI runs this
	@tools/setup.sh $(KERNEL) $(ARCHES)
	@tools/cpuword test $(test_args)

test-long: ## run all the other tests
	@tools/setup.sh $(KERNEL) $(ARCHES)
	@tools/cpuword test $(test_args) --long

port-check: ## say what ARCH, present or new, still lacks
	@tools/setup.sh apply
	@tools/cpuword port-check --kernel $(KERNEL) --arch "$(ARCH)"

apply: ## lay cpuword over a kernel tree of yours: KDIR=<path>
	@tools/setup.sh apply
	@tools/cpuword apply "$(KDIR)"

clean: ## remove build/
	@rm -rf build
