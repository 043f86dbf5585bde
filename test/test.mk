# SPDX-License-Identifier: GPL-2.0-only
# The rules that tests, benchmarks and the demonstration need; the Makefile includes it.

# What demo, check and bench need, and the kernel that guests run: by default the
# distribution's. Asked for once, when needed.
PACKAGES := gcc make libc6-dev perl qemu-system-x86 busybox-static cpio kmod gzip xz-utils zstd
CLANG = clang $(shell apt-cache show libclang-rt-dev > /dev/null 2>&1 && echo libclang-rt-dev)
check: PACKAGES += g++ libcmocka-dev libncurses-dev pkg-config python3 $(CLANG)
ifndef KERNEL
KERNEL = $(eval KERNEL := $(shell test/vm/need $(PACKAGES) \
	$$(test/vm/kernel headers-package) && test/vm/kernel release))$(KERNEL)
endif
UNIT_TESTS := $(patsubst test/unit/%.c,build/unit/%,$(wildcard test/unit/test_*.c))
GUEST_TESTS := $(patsubst test/guest/%.c,build/guest/%,$(wildcard test/guest/test_*.c))
DEBUG_TESTS := $(patsubst test/debug/%.c,build/debug/%,$(wildcard test/debug/*/test_*.c))

# The same with sanitizers, for the tests of its command line
build/unit/msr-allowlist: $(ALLOWLIST_TOOL) $(LIB)
	@mkdir -p $(@D)
	@$(BUILD_PROGRAM) -Ilib/shim -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ \
		$(filter %.c,$^)

# What demo, check and bench build is apart from what the user builds.

packages:
	@test -n "$(KERNEL)"
	@test/vm/need $(PACKAGES) linux-headers-$(KERNEL)

# The files of the kernel that guests run: whatever boots a guest asks for kernel-files first
KERNEL_FILES = $$(realpath build/kernel)
kernel-files: packages
	@mkdir -p build
	@files=$$(test/vm/kernel get $(KERNEL)) && ln -sfnT "$$files" build/kernel || \
		{ echo "No virtual machine is started: its kernel cannot be had." >&2; exit 1; }

# A module for the kernel that guests run, in a directory of its own
GUEST_MODULES := $(wildcard test/guest/modules/*) msr_compat.h
GUEST_MODULES_BUILT := $(patsubst test/guest/modules/%.c,build/modules/%.ko,\
	$(wildcard test/guest/modules/*.c))
define build-for-guests
	@test/vm/module /lib/modules/$(KERNEL)/build $(@D) $(1)
endef

build/vm/msr-safe.ko: packages $(SOURCES)
	$(call build-for-guests,$(SOURCES))

$(GUEST_MODULES_BUILT) &: packages $(GUEST_MODULES)
	$(call build-for-guests,$(GUEST_MODULES))

# What runs the tests of a program; see test/harness.c
TEST_PROGRAMS := $(UNIT_TESTS) $(GUEST_TESTS) $(DEBUG_TESTS) build/unit/harness_sample
$(TEST_PROGRAMS): test/harness.c test/harness.h
$(TEST_PROGRAMS): WRAPPED := main

# Each with the sources that it tests; a function that is wrapped is one of the test's.
build/unit/test_abi: test/unit/abi.h
build/unit/test_table: $(TABLE)
build/unit/test_table: CPPFLAGS += -Ilib/shim
build/unit/test_table: WRAPPED += calloc
build/unit/test_cpus: lib/cpus.c
build/unit/test_cpus: WRAPPED += fopen
build/unit/test_devices: lib/access.c lib/allowlist.c lib/device.c
build/unit/test_devices: WRAPPED += open close stat pread pwrite fopen fstat ioctl
build/unit/test_registers: $(LIB)
build/unit/test_wait: lib/wait.c lib/ring.c
build/unit/test_wait: WRAPPED += clock_gettime nanosleep msr_safe_processor_tsc
# Programs on a machine that is played
PLAYED := msr_safe_open_batch msr_safe_batch msr_safe_processor_here topology_read boot_time clock_gettime \
	sigtimedwait start_command waitpid kill msr_safe_cpus_online
build/unit/test_power: $(wildcard tools/msr-power/*.[ch])
build/unit/test_top: $(wildcard tools/msr-top/*.[ch])
build/unit/test_top: LIBS = $(CURSES) -lm
build/unit/test_power build/unit/test_top: test/unit/play.c test/unit/play.h $(COMMON) $(LIB)
build/unit/test_power build/unit/test_top: WRAPPED += $(PLAYED)
build/unit/test_options: msrsave/options.c $(COMMON) $(LIB)
build/unit/test_msrsave: $(MSRSAVE) $(LIB)
build/unit/test_msrsave: WRAPPED += msr_safe_open_batch msr_safe_batch msr_safe_ops msr_safe_allowlist_read msr_safe_cpus_online \
	cpufreq_active fsync gethostname nanosleep msr_safe_processor_here
build/unit/test_state: msrsave/state_text.c msrsave/state_file.c $(LIB)
build/unit/test_state: WRAPPED += fsync read rename write
build/unit/test_lists build/unit/test_live: CPPFLAGS += -Ilib/shim
build/unit/test_lists: $(addprefix allowlists/msr-allowlist/,lint.c list.c) $(LIB) $(TABLE)
build/unit/test_live: $(ALLOWLIST_TOOL) $(LIB)
build/unit/test_live: WRAPPED += msr_safe_open_batch msr_safe_batch msr_safe_allowlist_read msr_safe_cpus_online msr_safe_open \
	msr_safe_processor_here write
build/unit/%: test/unit/%.c test/unit/unit.h $(LIB_HEADERS) \
		$(wildcard msrsave/*.h allowlists/msr-allowlist/*.h)
	@mkdir -p $(@D)
	@$(COMPILE) -fsanitize=address,undefined \
		-fno-sanitize-recover=all $(WRAPPED:%=-Wl,--wrap=%) -o $@ $(filter %.c,$^) -lcmocka $(LIBS)

GUEST_COMMON := $(wildcard test/guest/[!t]*.[ch]) test/harness.h build/lib/libmsrsafe.a \
	$(PUBLIC_HEADERS)
define build-guest-program
	@mkdir -p $(@D)
	@$(COMPILE) $(WRAPPED:%=-Wl,--wrap=%) -o $@ \
		$(filter %.c %.a,$^) -lcmocka -lpthread
endef

build/guest/%: test/guest/%.c $(GUEST_COMMON)
	$(build-guest-program)

build/debug/%: test/debug/%.c $(GUEST_COMMON)
	$(build-guest-program)

build/bench/bench_sessions: build/lib/libmsrsafe.a
build/bench/%: test/bench/%.c test/bench/bench.h $(LIB_HEADERS)
	@mkdir -p $(@D)
	@$(COMPILE) -o $@ $(filter %.c %.a,$^) -lpthread

# Where apt has not heard of any packages yet, the fuzzer's library is still missing.
build/fuzz/fuzz_table: CPPFLAGS += -Ilib/shim -I. -Wl,--wrap=calloc
build/fuzz/fuzz_table: $(TABLE)
build/fuzz/fuzz_state: msrsave/state_text.c $(wildcard msrsave/*.h) $(LIB)
build/fuzz/fuzz_%: test/fuzz/fuzz_%.c
	@mkdir -p $(@D)
	@echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
		clang -fsanitize=fuzzer,address -x c - -o $(@D)/probe 2> /dev/null || \
		test/vm/need libclang-rt-dev
	@clang $(CPPFLAGS) -I. -D_GNU_SOURCE -DLISTS_DIR='"$(LISTS_DIR)"' -O2 -g -fno-pie -no-pie $(WARNINGS) \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $(filter %.c,$^)

build/fuzz/fuzz_devices: $(wildcard test/fuzz/devices/*.[ch]) $(GUEST_COMMON) \
		msr_allowlist_entry.h
	$(build-guest-program)

# A terminal for msr-top in guests, and what it has to know of terminals
build/terminal/tmux build/terminal/terminfo build/terminal/locale &: | packages-check
	@test/vm/need tmux ncurses-base
	@mkdir -p build/terminal/terminfo/s
	@cp "$$(ls -d /lib/terminfo/s/screen /usr/share/terminfo/s/screen 2> /dev/null | head -n 1)" \
		build/terminal/terminfo/s
	@mkdir -p build/terminal/locale && cp -r /usr/lib/locale/C.utf8 build/terminal/locale
	@cp "$$(command -v tmux)" build/terminal

# The programs of msr-tools, which ours are compared with
build/msr-tools/%: | packages-check
	@test/vm/need msr-tools
	@mkdir -p $(@D)
	@cp $$(PATH=$$PATH:/usr/sbin command -v $*) $@

FUZZERS := build/fuzz/fuzz_table build/fuzz/fuzz_state build/fuzz/fuzz_devices

# What guests are given besides the modules
GUEST_FILES := $(GUEST_TESTS) build/fuzz/fuzz_devices $(PROGRAMS) build/msr-tools/rdmsr build/msr-tools/wrmsr \
	build/terminal/tmux build/terminal/terminfo build/terminal/locale \
	build/prepared build/ring build/stamped build/wait docs/clients.md allowlists

packages-check: packages
	@test/vm/need g++ gawk libcmocka-dev libncurses-dev pkg-config python3 $(CLANG)

$(TEST_PROGRAMS) $(FUZZERS): | packages-check
BENCHES := build/bench/bench build/bench/bench_msrsave build/bench/bench_sessions
$(BENCHES): | packages

check: kernel-files build/vm/msr-safe.ko $(GUEST_MODULES_BUILT) $(UNIT_TESTS) $(FUZZERS) \
		$(GUEST_FILES) build/unit/msr-allowlist build/unit/harness_sample
	@UNIT_TESTS="$(UNIT_TESTS)" GUEST_TESTS="$(GUEST_TESTS)" GUEST_FILES="$(GUEST_FILES)" \
		test/check "$(KERNEL_FILES)"

packages-slurm: packages
	@test/vm/need -s munge slurm-client slurmctld slurmd libslurm-dev

check-slurm: packages-slurm kernel-files build/vm/msr-safe.ko build/demo/msr
	@rm -rf build/slurm
	@$(MAKE) -s msrsave install-spank DESTDIR=build/slurm/installed > /dev/null
	@test/slurm/check "$(KERNEL_FILES)"

.PHONY: packages-slurm check-slurm

check-install: kernel-files
	@test/install/check "$(KERNEL_FILES)" "$(KERNEL)"

.PHONY: check-install

# By names as test/vm/target takes them; those of KERNEL_TREES, as it takes them with -b
KERNELS ?= 5.10 6.1 6.1-rt 6.1-cloud 6.12 clang newest newest-rt
check-kernels: $(GUEST_FILES)
	@GUEST_FILES="$(GUEST_FILES)" KERNEL_TREES="$(KERNEL_TREES)" test/kernels $(KERNELS)

# SUITES of Debian
SUITES ?= bookworm trixie
check-newcomer:
	@test/newcomer $(SUITES)

.PHONY: check-newcomer

check-secure-boot: kernel-files build/vm/msr-safe.ko
	@test/vm/need ovmf sbsigntool openssl
	@test/secureboot/check "$(KERNEL_FILES)" "/lib/modules/$(KERNEL)/build" build/vm/msr-safe.ko

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
fuzz: kernel-files build/vm/msr-safe.ko $(FUZZERS)
	@test/fuzz/texts -r $(INPUTS) -t $(DURATION) -s $(SEED)
ifdef FUZZ_KERNEL
	@GUEST_SCRIPT=test/fuzz/run-devices GUEST_OPTIONS="$(FUZZ_OPTIONS)" \
		GUEST_FILES=build/fuzz/fuzz_devices test/kernels $(FUZZ_KERNEL)
else
	@test/vm/boot -t 86400 -a "$(FUZZ_OPTIONS)" "$(KERNEL_FILES)" test/fuzz/run-devices \
		$(filter build/%,$^)
endif

bench: kernel-files build/vm/msr-safe.ko $(GUEST_MODULES_BUILT) $(BENCHES) build/msrsave
	@test/bench/run "$(KERNEL_FILES)"

style: packages
	@test/style $(KERNEL)

.PHONY: packages packages-check kernel-files check check-kernels check-debug check-secure-boot fuzz bench style

build/demo/msr: test/vm/demo.c msr_safe.h msr_version.h | packages
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARNINGS) $(LDFLAGS) -o $@ $<

$(EXAMPLES): $(wildcard examples/*.h)

demo: PACKAGES += libncurses-dev
demo: kernel-files build/vm/msr-safe.ko build/bench/bench
	@rm -rf build/installed
	@$(MAKE) -s install DESTDIR=build/installed prefix=/usr > /dev/null
	@test/vm/demo "$(KERNEL_FILES)" build/vm/msr-safe.ko build/installed build/bench/bench

.PHONY: demo
