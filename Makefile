# SPDX-License-Identifier: GPL-2.0-only
# The front door for people. What the kernel's build system reads is Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

# Guests run this kernel: by default the distribution's.
KERNEL ?= $(shell test/vm/need $$(test/vm/kernel headers-package) && test/vm/kernel release)
export PATH := $(PATH):/usr/sbin:/sbin

SOURCES := Kbuild $(wildcard *.c *.h)
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
	@echo 'distribution; KERNEL=RELEASE runs another, whose headers are installed.'
	@echo 'Downloads are kept in $${XDG_CACHE_HOME:-~/.cache}/msr-safe.'

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

clean:
	rm -rf build .tmp_versions Module.symvers modules.order
	rm -f *.o *.ko *.mod *.mod.c .*.cmd .*.d

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
	@test/vm/need gcc make libc6-dev qemu-system-x86 busybox-static cpio kmod gzip \
		libcmocka-dev linux-headers-$(KERNEL)

build/vm/msr-safe.ko: packages $(SOURCES)
	@mkdir -p $(@D)
	@cp -u $(SOURCES) $(@D)
	@$(MAKE) -s -C /lib/modules/$(KERNEL)/build M=$(CURDIR)/$(@D) W=1 modules \
		2>&1 | grep -v 'BTF generation' || true
	@test -f $@

build/vm/failstep.ko: packages test/guest/failstep/failstep.c test/guest/failstep/Kbuild
	@mkdir -p build/failstep
	@cp -u test/guest/failstep/* build/failstep
	@$(MAKE) -s -C /lib/modules/$(KERNEL)/build M=$(CURDIR)/build/failstep modules \
		2>&1 | grep -v 'BTF generation' || true
	@mv build/failstep/failstep.ko $@

.PHONY: all help modules clean load unload examples packages
