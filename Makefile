# SPDX-License-Identifier: GPL-2.0-only
# The front door for people. What the kernel's build system reads is Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

# What demo, check and bench need, and the kernel that guests run: by default the
# distribution's. Asked for once, when needed.
PACKAGES := gcc make libc6-dev qemu-system-x86 busybox-static cpio kmod gzip
check: PACKAGES += g++ libcmocka-dev
ifndef KERNEL
KERNEL = $(eval KERNEL := $(shell test/vm/need $(PACKAGES) \
	$$(test/vm/kernel headers-package) && test/vm/kernel release))$(KERNEL)
endif
KERNEL_FILES = $$(test/vm/kernel get $(KERNEL))
export PATH := $(PATH):/usr/sbin:/sbin

SOURCES := Kbuild $(wildcard msr_*.c msr_*.h)
EXAMPLES := $(patsubst examples/%.c,build/%,$(wildcard examples/*.c))
UNIT_TESTS := $(patsubst test/unit/%.c,build/unit/%,$(wildcard test/unit/test_*.c))
GUEST_TESTS := $(patsubst test/guest/%.c,build/guest/%,$(wildcard test/guest/test_*.c))

all: modules

help:
	@echo 'make            build msr-safe.ko for the running kernel; KDIR= for another'
	@echo 'make load       load it; make unload takes it away'
	@echo 'make examples   build the example programs, into build/'
	@echo 'make demo       show it working, in a virtual machine'
	@echo 'make check      run all tests, on this machine and in virtual machines'
	@echo 'make bench      print what an access costs, in virtual machines'
	@echo 'make style      check the style of the sources'
	@echo 'make clean      delete what was built'
	@echo
	@echo 'demo, check and bench install what they lack, and run the kernel of the'
	@echo 'distribution; KERNEL=RELEASE runs another that there are packages of.'
	@echo 'Downloads are kept in $${XDG_CACHE_HOME:-~/.cache}/msr-safe.'

modules:
	@test -d "$(KDIR)" || { echo "No kernel headers at $(KDIR): install those of the kernel" \
		"(linux-headers-$$(uname -r) on Debian), or name another place with KDIR=." >&2; exit 1; }
	$(MAKE) -C "$(KDIR)" M=$(CURDIR) modules

clean:
	rm -rf build .tmp_versions Module.symvers modules.order
	rm -f *.o *.ko *.mod *.mod.c .*.o .*.cmd .*.d

load: modules
	$(SUDO) insmod msr-safe.ko

unload:
	$(SUDO) rmmod msr-safe

examples: $(EXAMPLES)

build/%: examples/%.c msr_safe.h msr_version.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARNINGS) $(LDFLAGS) -o $@ $<

# What demo, check and bench build is apart from what the user builds.

packages:
	@test -n "$(KERNEL)"
	@test/vm/need $(PACKAGES) linux-headers-$(KERNEL)

# A module for the kernel that guests run, in a directory of its own, begun anew
# for another kernel. BTF is for kernels that are at hand whole.
FAILSTEP := $(wildcard test/guest/failstep/*)
define build-for-guests
	@echo $(KERNEL) | cmp -s - $(@D)/kernel || rm -rf $(@D)
	@mkdir -p $(@D) && echo $(KERNEL) > $(@D)/kernel
	@cp -u $(1) $(@D)
	@$(MAKE) -s -C /lib/modules/$(KERNEL)/build M=$(CURDIR)/$(@D) W=1 \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules
endef

build/vm/msr-safe.ko: packages $(SOURCES)
	$(call build-for-guests,$(SOURCES))

build/failstep/failstep.ko: packages $(FAILSTEP)
	$(call build-for-guests,$(FAILSTEP))

build/unit/%: test/unit/%.c $(wildcard test/unit/*.h test/unit/shim/*/*.h) msr_table.c msr_table.h
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARNINGS) -fsanitize=address,undefined -fno-sanitize-recover=all \
		-Itest/unit/shim -I. -o $@ $< -lcmocka

build/guest/%: test/guest/%.c test/guest/guest.c test/guest/guest.h msr_safe.h msr_version.h
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARNINGS) -D_GNU_SOURCE -o $@ $< test/guest/guest.c -lcmocka -lpthread

build/bench/bench: test/bench/bench.c msr_safe.h
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARNINGS) -o $@ $< -lpthread

packages-check: packages
	@test/vm/need g++ libcmocka-dev

$(UNIT_TESTS) $(GUEST_TESTS): | packages-check
build/bench/bench: | packages

check: build/vm/msr-safe.ko build/failstep/failstep.ko $(UNIT_TESTS) $(GUEST_TESTS)
	@UNIT_TESTS="$(UNIT_TESTS)" GUEST_TESTS="$(GUEST_TESTS)" test/check "$(KERNEL_FILES)"

bench: build/vm/msr-safe.ko build/bench/bench
	@test/bench/run "$(KERNEL_FILES)"

style: packages
	@test/style $(KERNEL)

.PHONY: all help modules clean load unload examples packages packages-check check bench style

build/demo/msr: test/vm/demo.c msr_safe.h msr_version.h | packages
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARNINGS) $(LDFLAGS) -o $@ $<

$(EXAMPLES): examples/cpus.h

demo: build/vm/msr-safe.ko build/demo/msr
	@$(MAKE) -s examples
	@test/vm/demo "$(KERNEL_FILES)" $^ build/example build/msr_top

.PHONY: demo
