# SPDX-License-Identifier: GPL-2.0-only
# The front door for people. What the kernel's build system reads is Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

# What demo, check and bench need, and the kernel that guests run: by default the
# distribution's. Asked for once, when needed.
PACKAGES := gcc make libc6-dev qemu-system-x86 busybox-static cpio kmod gzip
CLANG = clang $(shell apt-cache show libclang-rt-dev > /dev/null 2>&1 && echo libclang-rt-dev)
check: PACKAGES += g++ libcmocka-dev $(CLANG)
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
DEBUG_TESTS := $(patsubst test/debug/%.c,build/debug/%,$(wildcard test/debug/*/test_*.c))

all: modules programs

help:
	@echo 'make            build msr-safe.ko for the running kernel (KDIR= for another), the tools'
	@echo 'make modules    build msr-safe.ko alone; so make msrsave, make msr-allowlist'
	@echo 'make load       load it; make unload takes it away'
	@echo 'make install    install programs, manuals, lists, udev rules and the service below'
	@echo '                prefix= and DESTDIR=; make uninstall takes them away'
	@echo 'make modules_install  install the module; make dkms-install has dkms do it,'
	@echo '                for each kernel to come, and make dkms-uninstall takes it away;'
	@echo '                make sign KEY= CERT= signs it before'
	@echo 'make dist       archive the sources of the last commit; make rpm packs that for RPM'
	@echo 'make examples   build the example programs, into build/'
	@echo 'make lists      write allowlists/al_* anew from their table'
	@echo 'make spank      build the plugin for Slurm; make install-spank installs it'
	@echo 'make demo       show it working, in a virtual machine'
	@echo 'make check      run the tests, on this machine and in a virtual machine'
	@echo 'make check-slurm    run those of the plugin for Slurm, in a virtual machine'
	@echo 'make check-install  those of the packages, in a system that starts with them'
	@echo 'make check-kernels  run them in virtual machines of other kernels'
	@echo 'make check-debug    run them in kernels built to find mistakes'
	@echo 'make check-secure-boot  run a kernel that takes only signed modules, and sign one'
	@echo 'make fuzz       try random lists and random calls on the devices'
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

USER := user/cpus.c user/devices.c
MSRSAVE := $(filter-out msrsave/spank%,$(wildcard msrsave/*.c))
PUBLIC_HEADERS := msr_safe.h msr_version.h

BUILD_PROGRAM = $(CC) $(CPPFLAGS) -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) $(LDFLAGS)

# How programs were built: with another label of the version they are built anew.
build/how: HOW = $(BUILD_PROGRAM) $(LISTS_DIR) $(sbindir)
build/how: always
	@mkdir -p $(@D)
	@printf '%s\n' '$(HOW)' | cmp -s - $@ || printf '%s\n' '$(HOW)' > $@

build/msrsave: $(MSRSAVE) $(wildcard msrsave/*.h user/*.h) $(USER) $(PUBLIC_HEADERS) build/how
	$(BUILD_PROGRAM) -o $@ $(filter %.c,$^)

msrsave: build/msrsave

# Judges lists as the module does: with its source
SHIM := $(wildcard user/shim/*/*.h) msr_table.c msr_table.h
ALLOWLIST_TOOL := $(wildcard allowlists/msr-allowlist/*.c)
ALLOWLIST_FILES := $(ALLOWLIST_TOOL) $(wildcard allowlists/msr-allowlist/*.h user/*.h) $(USER) \
	$(SHIM) $(PUBLIC_HEADERS)
BUILD_ALLOWLIST_TOOL = $(BUILD_PROGRAM) -Iuser/shim -DLISTS_DIR='"$(LISTS_DIR)"'

build/msr-allowlist: $(ALLOWLIST_FILES) build/how
	$(BUILD_ALLOWLIST_TOOL) -o $@ $(ALLOWLIST_TOOL) $(USER)

# The same with sanitizers, for the tests of its command line
build/unit/msr-allowlist: $(ALLOWLIST_FILES)
	@mkdir -p $(@D)
	@$(BUILD_ALLOWLIST_TOOL) -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ \
		$(ALLOWLIST_TOOL) $(USER)

msr-allowlist: build/msr-allowlist

lists:
	@allowlists/generate allowlists

build/%: examples/%.c $(PUBLIC_HEADERS)
	@mkdir -p $(@D)
	$(CC) -I. $(CFLAGS) $(WARNINGS) $(LDFLAGS) -o $@ $<

include packaging/install.mk

# Where Slurm looks for its plugins: a folder in a place that depends on the distribution
spankdir ?= $(or $(patsubst %/auth_munge.so,%,$(firstword $(wildcard \
	/usr/lib/*/slurm-wlm/auth_munge.so /usr/lib*/slurm/auth_munge.so))),$(if \
	$(wildcard /etc/debian_version),/usr/lib/$(shell $(CC) -print-multiarch)/slurm-wlm,/usr/lib64/slurm))

spank: build/spank_msrsave.so

build/spank_msrsave.so: msrsave/spank_msrsave.c build/how
	@echo '#include <slurm/spank.h>' | $(CC) $(CPPFLAGS) -E -x c - > /dev/null 2>&1 || \
		{ echo "No slurm/spank.h: apt-get install libslurm-dev" \
		"(slurm-devel where there is dnf)" >&2; exit 1; }
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -DMSRSAVE='"$(sbindir)/msrsave"' $(CFLAGS) $(WARNINGS) -fPIC -shared $(LDFLAGS) \
		-o $@ $<

install-spank: spank
	install -D -m 644 build/spank_msrsave.so "$(DESTDIR)$(spankdir)/spank_msrsave.so"
	@echo 'It takes effect with this line in plugstack.conf, beside slurm.conf of each node:'
	@echo 'required $(spankdir)/spank_msrsave.so'

.PHONY: spank install-spank

# What demo, check and bench build is apart from what the user builds.

packages:
	@test -n "$(KERNEL)"
	@test/vm/need $(PACKAGES) linux-headers-$(KERNEL)

# A module for the kernel that guests run, in a directory of its own
FAILSTEP := $(wildcard test/guest/failstep/*)
define build-for-guests
	@test/vm/module /lib/modules/$(KERNEL)/build $(@D) $(1)
endef

build/vm/msr-safe.ko: packages $(SOURCES)
	$(call build-for-guests,$(SOURCES))

build/failstep/failstep.ko: packages $(FAILSTEP)
	$(call build-for-guests,$(FAILSTEP))

# Each with the sources that it tests; a function that is wrapped is one of the test's.
build/unit/test_table: CPPFLAGS += -Iuser/shim -I.
build/unit/test_table: $(SHIM)
build/unit/test_cpus: user/cpus.c
build/unit/test_cpus: WRAPPED := fopen
build/unit/test_devices: user/devices.c
build/unit/test_devices: WRAPPED := fopen ioctl
build/unit/test_energy: examples/energy.h
build/unit/test_power: $(wildcard examples/*.h) examples/power.c
build/unit/test_power: CPPFLAGS += -I.
build/unit/test_power: WRAPPED := open fopen ioctl clock_gettime clock_nanosleep
build/unit/test_options: msrsave/options.c $(USER)
build/unit/test_msrsave: $(filter-out msrsave/msrsave.c,$(MSRSAVE)) $(USER)
build/unit/test_msrsave: WRAPPED := batch_open batch_run allowlist_read cpus_online \
	fsync gethostname nanosleep
build/unit/test_state: msrsave/state_text.c msrsave/state_file.c $(USER)
build/unit/test_state: WRAPPED := fsync read rename write
build/unit/test_lists build/unit/test_live: CPPFLAGS += -Iuser/shim
build/unit/test_lists: $(addprefix allowlists/msr-allowlist/,lint.c list.c tables.c) $(SHIM)
build/unit/test_live: $(filter-out %/msr-allowlist.c,$(ALLOWLIST_TOOL)) $(USER) $(SHIM)
build/unit/test_live: WRAPPED := batch_open batch_run allowlist_read cpus_online open write
build/unit/%: test/unit/%.c test/unit/unit.h $(PUBLIC_HEADERS) \
		$(wildcard user/*.h msrsave/*.h allowlists/msr-allowlist/*.h)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) -fsanitize=address,undefined \
		-fno-sanitize-recover=all $(WRAPPED:%=-Wl,--wrap=%) -o $@ \
		$(filter-out msr_% examples/%,$(filter %.c,$^)) -lcmocka

GUEST_COMMON := test/guest/guest.c test/guest/guest.h msr_safe.h msr_version.h
define build-guest-program
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARNINGS) -D_GNU_SOURCE -o $@ $(filter %.c,$^) -lcmocka -lpthread
endef

build/guest/%: test/guest/%.c $(GUEST_COMMON)
	$(build-guest-program)

build/debug/%: test/debug/%.c $(GUEST_COMMON)
	$(build-guest-program)

build/bench/%: test/bench/%.c msr_safe.h
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARNINGS) -o $@ $< -lpthread

# Where apt has not heard of any packages yet, the fuzzer's library is still missing.
build/fuzz/fuzz_table: CPPFLAGS += -Iuser/shim -I.
build/fuzz/fuzz_table: $(SHIM)
build/fuzz/fuzz_state: $(wildcard msrsave/state*) $(USER)
build/fuzz/fuzz_%: test/fuzz/fuzz_%.c
	@mkdir -p $(@D)
	@echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
		clang -fsanitize=fuzzer,address -x c - -o $(@D)/probe 2> /dev/null || \
		test/vm/need libclang-rt-dev
	@clang $(CPPFLAGS) -D_GNU_SOURCE -O2 -g -fno-pie -no-pie $(WARNINGS) \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $< \
		$(filter user/%.c,$^)

FUZZ_DEVICES := $(filter-out test/fuzz/fuzz_table.c test/fuzz/fuzz_state.c,$(wildcard test/fuzz/*.c))
build/fuzz/fuzz_devices: $(FUZZ_DEVICES) $(wildcard test/fuzz/*.h) $(GUEST_COMMON)
	$(build-guest-program)

FUZZERS := build/fuzz/fuzz_table build/fuzz/fuzz_state build/fuzz/fuzz_devices

# What guests are given besides the modules
GUEST_FILES := $(GUEST_TESTS) build/fuzz/fuzz_devices build/msrsave build/msr-allowlist \
	build/power docs/clients.md allowlists

packages-check: packages
	@test/vm/need g++ libcmocka-dev $(CLANG)

$(UNIT_TESTS) $(GUEST_TESTS) $(DEBUG_TESTS) $(FUZZERS): | packages-check
BENCHES := build/bench/bench build/bench/bench_msrsave
$(BENCHES): | packages

check: build/vm/msr-safe.ko build/failstep/failstep.ko $(UNIT_TESTS) $(FUZZERS) $(GUEST_FILES) \
		build/unit/msr-allowlist
	@UNIT_TESTS="$(UNIT_TESTS)" GUEST_FILES="$(GUEST_FILES)" test/check "$(KERNEL_FILES)"

packages-slurm: packages
	@test/vm/need -s munge slurm-client slurmctld slurmd libslurm-dev

check-slurm: packages-slurm build/vm/msr-safe.ko build/demo/msr
	@rm -rf build/slurm
	@$(MAKE) -s msrsave install-spank DESTDIR=build/slurm/installed > /dev/null
	@test/slurm/check "$(KERNEL_FILES)"

.PHONY: packages-slurm check-slurm

check-install: packages
	@mkdir -p build
	@test/install/check "$(KERNEL_FILES)" "$(KERNEL)"

.PHONY: check-install

# By names as test/vm/target takes them
KERNELS ?= 5.10 6.1 6.1-rt 6.1-cloud 6.12 clang newest newest-rt
check-kernels: $(GUEST_FILES)
	@GUEST_FILES="$(GUEST_FILES)" test/kernels $(KERNELS)

check-secure-boot: build/vm/msr-safe.ko
	@test/vm/need ovmf sbsigntool openssl
	@test/secureboot/check "$(KERNEL_FILES)" "/lib/modules/$(KERNEL)/build" $<

check-debug: $(GUEST_FILES) $(DEBUG_TESTS) build/debug/irqsoff
	@GUEST_FILES="$(GUEST_FILES)" DEBUG_TESTS="$(DEBUG_TESTS)" test/debug/run

# How many texts and calls to try, for how many seconds each at most (0: as long as it
# takes), from which seed; calls in which modes of fuzz_devices (s, c), and in which
# kernel, of those that check-kernels knows
INPUTS ?= 1000000
CALLS ?= 200000
DURATION ?= 0
MODES ?= sc
SEED := $(or $(SEED),$(shell date +%s))
FUZZ_OPTIONS = FUZZ_DEVICES=-s,$(SEED),-n,$(CALLS),-t,$(DURATION),-p,$(MODES)
fuzz: build/vm/msr-safe.ko $(FUZZERS)
	@test/fuzz/texts -r $(INPUTS) -t $(DURATION) -s $(SEED)
ifdef FUZZ_KERNEL
	@GUEST_SCRIPT=test/fuzz/run-devices GUEST_OPTIONS="$(FUZZ_OPTIONS)" \
		GUEST_FILES=build/fuzz/fuzz_devices test/kernels $(FUZZ_KERNEL)
else
	@test/vm/boot -t 86400 -a "$(FUZZ_OPTIONS)" "$(KERNEL_FILES)" test/fuzz/run-devices \
		$^
endif

bench: build/vm/msr-safe.ko $(BENCHES) build/msrsave
	@test/bench/run "$(KERNEL_FILES)"

style: packages
	@test/style $(KERNEL)

.PHONY: all always help modules msrsave msr-allowlist lists clean load unload examples packages \
	packages-check check check-kernels check-debug check-secure-boot fuzz bench style

build/demo/msr: test/vm/demo.c msr_safe.h msr_version.h | packages
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARNINGS) $(LDFLAGS) -o $@ $<

$(EXAMPLES): $(wildcard examples/*.h)

demo: build/vm/msr-safe.ko build/demo/msr
	@$(MAKE) -s examples
	@test/vm/demo "$(KERNEL_FILES)" $^ build/example build/msr_top

.PHONY: demo
