# SPDX-License-Identifier: GPL-2.0-only
# The front door for people. What the kernel's build system reads is Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

export PATH := $(PATH):/usr/sbin:/sbin

SOURCES := Kbuild $(wildcard msr_*.c msr_*.h)
EXAMPLES := $(patsubst examples/%.c,build/%,$(wildcard examples/*.c))

all: modules programs

help:
	@echo 'make            build msr-safe.ko for the running kernel (KDIR= for another), the tools'
	@echo 'make modules    build msr-safe.ko alone; so make library, make msrsave, make msr-top, …'
	@echo 'make load       load it; make unload takes it away'
	@echo 'make install    install programs, manuals, lists, udev rules and the service below'
	@echo '                prefix= and DESTDIR=; make uninstall takes them away'
	@echo 'make modules_install  install the module; make dkms-install has dkms do it,'
	@echo '                for each kernel to come, and make dkms-uninstall takes it away;'
	@echo '                make sign KEY= CERT= signs it before'
	@echo 'make dist       archive the sources of the last commit; make rpm packs that for RPM,'
	@echo '                and make rpm-kmod the module alone, for kernel KVERSION (this one)'
	@echo 'make examples   build the example programs, into build/'
	@echo 'make lists      generate allowlists/al_* from their table'
	@echo 'make spank      build the plugin for Slurm; make install-spank installs it'
	@echo 'make demo       show it working, in a virtual machine'
	@echo 'make check      run the tests, on this machine and in a virtual machine'
	@echo 'make check-slurm    run those of the plugin for Slurm, in a virtual machine'
	@echo 'make check-install  those of the packages, in a system that starts with them'
	@echo 'make check-kernels  run them in virtual machines of other kernels'
	@echo 'make check-debug    run them in kernels built to find mistakes'
	@echo 'make check-secure-boot  run a kernel that takes only signed modules, and sign one'
	@echo 'make check-newcomer  run make demo and make check in bare systems of Debian'
	@echo 'make fuzz       try random lists and random calls on the devices'
	@echo 'make bench      print what an access costs, in virtual machines'
	@echo 'make style      check the style of the sources'
	@echo 'make clean      delete what was built'
	@echo
	@echo 'demo, check and bench install what they lack, and run the kernel of the'
	@echo 'distribution; KERNEL=RELEASE runs another that there are packages of.'
	@echo 'Downloads are kept in $${XDG_CACHE_HOME:-~/.cache}/msr-safe.'

modules:
	@test -e "$(KDIR)/Makefile" || { echo "No kernel headers at $(KDIR): install those of the kernel" \
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

PUBLIC_HEADERS := msr_safe.h msr_version.h msr_allowlist_entry.h lib/libmsrsafe.h
LIB_HEADERS := $(wildcard lib/*.h tools/common/*.h) $(PUBLIC_HEADERS) msr_table.h
LIB := $(wildcard lib/*.c) $(LIB_HEADERS)
COMMON := $(wildcard tools/common/*.c) $(LIB_HEADERS)

COMPILE = $(CC) $(CPPFLAGS) -I. -D_GNU_SOURCE= -DLISTS_DIR='"$(LISTS_DIR)"' $(CFLAGS) $(WARNINGS)
BUILD_PROGRAM = $(COMPILE) $(LDFLAGS)

# How programs were built: another label of the version builds them again.
build/how: HOW = $(BUILD_PROGRAM) $(LISTS_DIR) $(sbindir)
build/how: always
	@mkdir -p $(@D)
	@printf '%s\n' '$(HOW)' | cmp -s - $@ || printf '%s\n' '$(HOW)' > $@

# The library, shared and static; programs of this tree link the static one.
LIBRARY := build/lib/libmsrsafe.so build/lib/libmsrsafe.a
SONAME := libmsrsafe.so.1
LIB_OBJECTS := $(patsubst lib/%.c,build/lib/%.o,$(wildcard lib/*.c))

build/lib/%.o: lib/%.c $(LIB_HEADERS) build/how
	@mkdir -p $(@D)
	$(COMPILE) -fPIC -c -o $@ $<

build/lib/libmsrsafe.a: $(LIB_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

build/lib/libmsrsafe.so: $(LIB_OBJECTS) lib/libmsrsafe.map
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--no-undefined \
		-Wl,--version-script=lib/libmsrsafe.map -o $@ $(LIB_OBJECTS)

library: $(LIBRARY)

# Each program is a directory of sources, what programs share, and the library.
BUILT_FROM = $(BUILD_PROGRAM) -o $@ $(filter %.c,$^) build/lib/libmsrsafe.a $(LIBS)
PROGRAM_PARTS := $(COMMON) build/lib/libmsrsafe.a build/how
MSRSAVE := $(wildcard msrsave/*.[ch]) $(COMMON)

build/msrsave: $(MSRSAVE) $(PROGRAM_PARTS)
	$(BUILT_FROM)

msrsave: build/msrsave

# Reads lists as the module does: with its source
TABLE := msr_table.c $(LIB_HEADERS) $(wildcard lib/shim/*/*.h)
ALLOWLIST_TOOL := $(wildcard allowlists/msr-allowlist/*.[ch]) $(TABLE) $(COMMON)

build/msr-allowlist: CPPFLAGS += -Ilib/shim
build/msr-allowlist: $(ALLOWLIST_TOOL) $(PROGRAM_PARTS)
	$(BUILT_FROM)

TOOLS := msr-record rdmsr-safe wrmsr-safe msr-power msr-top msr-doctor
$(foreach tool,$(TOOLS),$(eval build/$(tool): $(wildcard tools/$(tool)/*.[ch])))
CURSES = $(shell pkg-config --libs ncurses 2> /dev/null || echo -lncurses -ltinfo)
build/msr-top: LIBS = $(CURSES) -lm
$(TOOLS:%=build/%): $(PROGRAM_PARTS)
	$(BUILT_FROM)

msr-allowlist: build/msr-allowlist
$(TOOLS): %: build/%

lists:
	@allowlists/generate allowlists msr_takeover.c msrsave/kinds.c

build/ring: build/lib/libmsrsafe.a
build/%: examples/%.c $(PUBLIC_HEADERS)
	@mkdir -p $(@D)
	$(CC) -I. $(CFLAGS) $(WARNINGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^)

include packaging/install.mk

# Where Slurm looks for its plugins: a folder in a place that depends on the distribution
spankdir ?= $(or $(patsubst %/auth_munge.so,%,$(firstword $(wildcard \
	/usr/lib/*/slurm-wlm/auth_munge.so /usr/lib*/slurm/auth_munge.so))),$(if \
	$(wildcard /etc/debian_version),/usr/lib/$(shell $(CC) -print-multiarch)/slurm-wlm,/usr/lib64/slurm))

spank: build/spank_msrsave.so

build/spank_msrsave.so: $(wildcard msrsave/slurm/*.[ch]) build/lib/libmsrsafe.a build/how
	@echo '#include <slurm/spank.h>' | $(CC) $(CPPFLAGS) -E -x c - > /dev/null 2>&1 || \
		{ echo "No slurm/spank.h: apt-get install libslurm-dev" \
		"(slurm-devel where there is dnf)" >&2; exit 1; }
	@mkdir -p $(@D)
	$(COMPILE) -DMSRSAVE='"$(sbindir)/msrsave"' -fPIC -shared $(LDFLAGS) -Wl,--exclude-libs,ALL \
		-o $@ $(filter %.c %.a,$^)

install-spank: spank
	install -D -m 644 build/spank_msrsave.so "$(DESTDIR)$(spankdir)/spank_msrsave.so"
	@echo 'It takes effect with this line in plugstack.conf, beside slurm.conf of each node:'
	@echo 'required $(spankdir)/spank_msrsave.so'

.PHONY: spank install-spank

.PHONY: all always help modules library msrsave msr-allowlist $(TOOLS) lists clean load unload examples

include test/test.mk
