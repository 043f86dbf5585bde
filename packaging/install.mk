# SPDX-License-Identifier: GPL-2.0-only
# Installing, for users and for packagers; part of the Makefile.

INSTALL ?= install
prefix ?= $(or $(PREFIX),/usr/local)
bindir ?= $(prefix)/bin
sbindir ?= $(prefix)/sbin
libexecdir ?= $(prefix)/libexec
libdir ?= $(prefix)/lib
includedir ?= $(prefix)/include
pkgconfigdir ?= $(libdir)/pkgconfig
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man
bashcompletiondir ?= $(datadir)/bash-completion/completions
udevrulesdir ?= $(prefix)/lib/udev/rules.d
systemdsystemunitdir ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d
modprobedir ?= $(prefix)/lib/modprobe.d
dkmsdir ?= /usr/src/msr-safe-$(RELEASE)

RELEASE = $(shell awk '/define MSR_SAFE_VERSION_(MAJOR|MINOR|PATCH)/ \
	{ printf "%s%s", dot, $$3; dot = "." }' msr_version.h)
LISTS_DIR = $(datadir)/msr-safe/allowlists
LISTS := $(wildcard allowlists/al_??_*)
MANUALS := $(wildcard man/*.[1-9] msrsave/*.[1-9])

PROGRAMS := build/msrsave build/msr-allowlist $(TOOLS:%=build/%)

# What goes where: mode, path, file
place = $(foreach file,$(3),$(1):$(2)/$(notdir $(file)):$(file))
INSTALLED = $(call place,755,$(bindir),$(filter-out build/msrsave,$(PROGRAMS))) \
	$(call place,755,$(sbindir),build/msrsave) \
	$(call place,755,$(libexecdir)/msr-safe,build/install/service) \
	$(call place,644,$(includedir),$(PUBLIC_HEADERS)) \
	$(call place,755,$(libdir),$(filter %.so,$(LIBRARY))) \
	$(call place,644,$(libdir),$(filter %.a,$(LIBRARY))) \
	$(call place,644,$(pkgconfigdir),build/install/libmsrsafe.pc) \
	$(call place,644,$(LISTS_DIR),$(LISTS)) \
	$(call place,644,$(LISTS_DIR)/tables,$(wildcard allowlists/tables/*)) \
	$(foreach page,$(MANUALS),$(call place,644,$(mandir)/man$(subst .,,$(suffix $(page))),$(page))) \
	$(call place,644,$(bashcompletiondir),$(wildcard packaging/completion/*)) \
	$(call place,644,$(udevrulesdir),packaging/udev/70-msr-safe.rules) \
	$(call place,644,$(systemdsystemunitdir),build/install/msr-safe.service \
		build/install/msr-power.service packaging/systemd/msr-power.timer) \
	$(call place,644,$(sysusersdir),packaging/sysusers/msr-safe.conf) \
	$(call place,644,$(modprobedir),packaging/modprobe/msr-safe.conf)

# The library is installed by its version, with the links that linkers and loaders look for.
LIBRARY_FILE := $(SONAME).0.0

# Made again only when the places above have changed: installing as root leaves no file of root
# in build/.
SERVICE := build/install/service build/install/msr-safe.service build/install/msr-power.service
define fill-in-places
	@mkdir -p $(@D)
	@sed 's|@libexecdir@|$(libexecdir)|; s|@bindir@|$(bindir)|; s|@prefix@|$(prefix)|; \
		s|@libdir@|$(libdir)|; s|@includedir@|$(includedir)|; s|@version@|$(RELEASE)|' $< > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
endef

build/install/%: packaging/systemd/%.in always
	$(fill-in-places)

build/install/%.pc: lib/%.pc.in always
	$(fill-in-places)

programs: $(PROGRAMS) $(LIBRARY) $(SERVICE) build/install/libmsrsafe.pc

install: programs
	@set -e; for file in $(INSTALLED); do \
		set -- $$(echo $$file | tr : ' '); \
		$(INSTALL) -D -m $$1 $$3 "$(DESTDIR)$$2"; \
	done
	@mv "$(DESTDIR)$(libdir)/libmsrsafe.so" "$(DESTDIR)$(libdir)/$(LIBRARY_FILE)"
	@ln -sf $(LIBRARY_FILE) "$(DESTDIR)$(libdir)/$(SONAME)"
	@ln -sf $(SONAME) "$(DESTDIR)$(libdir)/libmsrsafe.so"
	@for list in $(notdir $(LISTS)); do \
		ln -sf $$list "$(DESTDIR)$(LISTS_DIR)/$$(allowlists/former-name $$list)"; \
	done
ifndef DESTDIR
	@echo 'Next, as root: make modules_install (or dkms-install), systemd-sysusers,'
	@echo 'udevadm control --reload, systemctl daemon-reload, systemctl enable --now msr-safe'
endif

uninstall:
	@set -e; for file in $(INSTALLED); do \
		set -- $$(echo $$file | tr : ' '); \
		rm -f "$(DESTDIR)$$2"; \
	done
	@for list in $(notdir $(LISTS)); do \
		rm -f "$(DESTDIR)$(LISTS_DIR)/$$(allowlists/former-name $$list)"; \
	done
	@rm -f "$(DESTDIR)$(libdir)/$(SONAME)" "$(DESTDIR)$(libdir)/$(LIBRARY_FILE)"
	@for directory in $(LISTS_DIR)/tables $(LISTS_DIR) $(datadir)/msr-safe $(libexecdir)/msr-safe; do \
		[ ! -d "$(DESTDIR)$$directory" ] || \
			rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$directory"; \
	done

# What make modules has built, and make sign signed: building here, with other variables or
# as root, would undo it. The kernel's build leaves depmod out where headers come without
# System.map, as Debian's.
modules_install:
	@test -f msr-safe.ko || { echo "There is no msr-safe.ko: make modules builds it." >&2; exit 1; }
	$(MAKE) -C "$(KDIR)" M=$(CURDIR) $(if $(DESTDIR),INSTALL_MOD_PATH="$(DESTDIR)") modules_install
ifndef DESTDIR
	depmod -a "$$(modinfo -F vermagic ./msr-safe.ko | cut -d ' ' -f 1)"
endif

# With the kernel's own program, and the digest that the kernel is set up with
MODULE ?= msr-safe.ko
sign:
	@test -n "$(KEY)" -a -n "$(CERT)" || \
		{ echo "usage: make sign KEY=FILE CERT=FILE [MODULE=FILE]" >&2; exit 1; }
	@test -f "$(MODULE)" || { echo "There is no $(MODULE): make modules builds it." >&2; exit 1; }
	"$(KDIR)/scripts/sign-file" "$$(sed -n 's/^CONFIG_MODULE_SIG_HASH="\(.*\)"/\1/p' \
		"$(KDIR)/include/config/auto.conf" | grep . || echo sha256)" \
		"$(KEY)" "$(CERT)" "$(MODULE)"

dkms-source:
	$(INSTALL) -d "$(DESTDIR)$(dkmsdir)"
	$(INSTALL) -m 644 dkms.conf $(SOURCES) "$(DESTDIR)$(dkmsdir)"

# For each kernel that has its headers; for the one that runs it has to succeed.
dkms-install: dkms-source
ifndef DESTDIR
	! dkms status msr-safe/$(RELEASE) | grep -q . || dkms remove msr-safe/$(RELEASE) --all
	dkms install msr-safe/$(RELEASE)
	@for build in /lib/modules/*/build; do \
		kernel=$$(basename "$$(dirname "$$build")"); \
		[ ! -e "$$build/Makefile" ] || [ "$$kernel" = "$$(uname -r)" ] || \
			dkms install msr-safe/$(RELEASE) -k "$$kernel" || \
			echo "Kernel $$kernel has no module msr-safe." >&2; \
	done
endif

dkms-uninstall:
ifndef DESTDIR
	! dkms status msr-safe/$(RELEASE) | grep -q . || dkms remove msr-safe/$(RELEASE) --all
endif
	rm -rf "$(DESTDIR)$(dkmsdir)"

dist:
	@git rev-parse HEAD > /dev/null || \
		{ echo "The last commit is archived: that takes a clone by git." >&2; exit 1; }
	@mkdir -p build
	git archive --prefix=msr-safe-$(RELEASE)/ -o build/msr-safe-$(RELEASE).tar.gz HEAD

RPMBUILD := rpmbuild -ba --define "_topdir $(CURDIR)/build/rpm" \
	--define "_sourcedir $(CURDIR)/build"
rpm: dist
	$(RPMBUILD) $(RPMFLAGS) packaging/rpm/msr-safe.spec

# The kernel that rpm-kmod builds for
KVERSION ?= $(shell uname -r)
rpm-kmod: dist
	cp packaging/rpm/msr-safe-kmod.files build
	$(RPMBUILD) --define "kernel_version $(KVERSION)" $(RPMFLAGS) packaging/rpm/msr-safe-kmod.spec

.PHONY: programs install uninstall modules_install sign dkms-source dkms-install dkms-uninstall \
	dist rpm rpm-kmod always
