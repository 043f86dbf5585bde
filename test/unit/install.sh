#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# make install puts everything where it is said to go, and make uninstall takes it away.
# Prints TAP.
# shellcheck disable=SC2317	# functions that check calls
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# What is in build/ stays as it is.
mkdir "$work/tree" || exit 1
tar -c --exclude=./build --exclude=./.git . | tar -x -C "$work/tree"
cd "$work/tree" || exit 1
unset MAKEFLAGS DESTDIR
prefix=$work/prefix

# check NAME COMMAND...: it succeeds, and says nothing
check()
{
	name=$1
	shift
	said=$("$@" 2>&1) && [ -z "$said" ]
	result $? "$name" "$said"
}

# What must be there; lists are many, and some are links.
expected()
{
	cat <<-'END'
		./bin/msr-allowlist
		./bin/msr-doctor
		./bin/msr-power
		./bin/msr-record
		./bin/msr-top
		./bin/rdmsr-safe
		./bin/wrmsr-safe
		./include/libmsrsafe.h
		./include/msr_allowlist_entry.h
		./include/msr_safe.h
		./include/msr_version.h
		./lib/libmsrsafe.a
		./lib/libmsrsafe.so.1.0.0
		./lib/modprobe.d/msr-safe.conf
		./lib/pkgconfig/libmsrsafe.pc
		./lib/systemd/system/msr-power.service
		./lib/systemd/system/msr-power.timer
		./lib/systemd/system/msr-safe.service
		./lib/sysusers.d/msr-safe.conf
		./lib/udev/rules.d/70-msr-safe.rules
		./libexec/msr-safe/service
		./sbin/msrsave
		./share/bash-completion/completions/msr-allowlist
		./share/bash-completion/completions/msr-doctor
		./share/bash-completion/completions/msr-power
		./share/bash-completion/completions/msr-record
		./share/bash-completion/completions/msr-top
		./share/bash-completion/completions/msrsave
		./share/bash-completion/completions/rdmsr-safe
		./share/bash-completion/completions/wrmsr-safe
		./share/man/man1/msr-doctor.1
		./share/man/man1/msr-power.1
		./share/man/man1/msr-record.1
		./share/man/man1/msr-top.1
		./share/man/man1/msrsave.1
		./share/man/man1/rdmsr-safe.1
		./share/man/man1/wrmsr-safe.1
		./share/man/man3/msr_safe_allowlist.3
		./share/man/man3/msr_safe_batch.3
		./share/man/man3/msr_safe_cpus.3
		./share/man/man3/msr_safe_open.3
		./share/man/man3/msr_safe_read.3
		./share/man/man3/msr_safe_registers.3
		./share/man/man3/msr_safe_ring_next.3
		./share/man/man3/msr_safe_session.3
		./share/man/man4/msr_safe.4
		./share/man/man8/msr-allowlist.8
	END
}

nothing_lacks()
{
	(cd "$1" && find . -type f ! -path './share/msr-safe/*' | LC_ALL=C sort) |
		diff - "$work/expected"
}

places_are_filled_in()
{
	! grep -r @ "$prefix/libexec" "$prefix/lib/systemd" | grep '@[a-z]*dir@' &&
		grep -qx "ExecStart=$prefix/libexec/msr-safe/service start" \
			"$prefix/lib/systemd/system/msr-safe.service" &&
		grep -qx "allowlist=$prefix/bin/msr-allowlist" "$prefix/libexec/msr-safe/service"
}

program_compiles()
{
	cat > "$work/program.c" <<-'END'
		#include <msr_safe.h>
		#include <msr_version.h>
		struct msr_batch_array batch = { .version = MSR_SAFE_VERSION_u32 };
	END
	(cd "$work" && "${CC:-cc}" -Wall -Werror -I"$prefix/include" -c program.c)
}

# No option that --help names is unknown to the completion.
options_are_completed()
{
	for program in "$prefix"/bin/* "$prefix"/sbin/*; do
		"$program" --help | grep -oE -e '--[a-z-]+' | sort -u | while read -r option; do
			grep -qw -e "$option" "$prefix/share/bash-completion/completions/${program##*/}" ||
				echo "${program##*/} $option"
		done
	done
}

units_are_sound()
{
	MANPATH=$prefix/share/man systemd-analyze verify "$prefix"/lib/systemd/system/msr-*
}

# In C, C++ and Python, with what pkg-config says
clients_use_the_library()
{
	PKG_CONFIG_PATH=$prefix/lib/pkgconfig && export PKG_CONFIG_PATH
	flags=$(pkg-config --cflags --libs libmsrsafe) || flags="-I$prefix/include -L$prefix/lib -lmsrsafe"
	# shellcheck disable=SC2086	# words
	"${CXX:-c++}" -Wall -Wextra -Werror -o "$work/client" examples/registers.cpp $flags &&
		LD_LIBRARY_PATH=$prefix/lib "$work/client" allowlists PKG_POWER_LIMIT |
		grep -qx 'PKG_POWER_LIMIT.PL1: bits 14 to 0' &&
		LD_LIBRARY_PATH=$prefix/lib python3 examples/read.py 2>&1 |
		grep -q '^/dev/cpu/0/msr_safe: '
}

# Only functions of the library, in a version
exports_are_versioned()
{
	nm -D --defined-only "$prefix/lib/libmsrsafe.so" |
		grep -vE ' (T msr_safe_[a-z_]*@@LIBMSRSAFE_1\.0|A LIBMSRSAFE_1\.0)$'
	sed -n 's/^\t\(msr_safe_[a-z_]*\);/\1/p' lib/libmsrsafe.map | while read -r symbol; do
		nm -D --defined-only "$prefix/lib/libmsrsafe.so" | grep -qw "$symbol" || echo "$symbol"
		grep -qE "^\.Fn $symbol( |\$)" man/*.3 || echo "$symbol: no manual"
	done
}

# Without a word, and without a global variable
library_is_quiet()
{
	nm "$prefix/lib/libmsrsafe.a" | grep -E ' U (_?exit|abort|printf|puts|putchar|stdout|stderr|v?warnx?|v?errx?)$'
	nm "$prefix/lib/libmsrsafe.a" | grep -E ' [BbDC] '
	:
}

staged_is_whole()
{
	make -s install DESTDIR="$work/staged" prefix=/usr && nothing_lacks "$work/staged/usr" &&
		! grep -r "$work/staged" "$work/staged"
}

wrong_kdir_is_told()
{
	! make modules KDIR="$work" 2>&1 | grep -q "^No kernel headers at $work: install" || return 0
	make modules KDIR="$work"
	return 1
}

nothing_stays()
{
	make -s uninstall prefix="$prefix" && find "$prefix" ! -type d
}

plan 12
expected > "$work/expected"
said=$(make -s install prefix="$prefix" 2>&1)
result $? 'make install succeeds' "$said"
check 'all is where prefix says' nothing_lacks "$prefix"
check 'the service names what is installed' places_are_filled_in
check 'a program includes <msr_safe.h> from there' program_compiles
check 'the shell completes every option' options_are_completed
check 'clients in C++ and Python use the library' clients_use_the_library
check 'the library exports its functions, with a version and a manual' exports_are_versioned
check 'the library prints nothing, ends nothing and has no variables' library_is_quiet
if command -v systemd-analyze > /dev/null && command -v man > /dev/null; then
	check 'systemd finds nothing wrong in the units' units_are_sound
else
	result 0 'systemd finds nothing wrong in the units # SKIP no systemd-analyze or man'
fi
check 'a KDIR that is no kernel is said to be so' wrong_kdir_is_told
check 'make uninstall leaves no file' nothing_stays
check 'with DESTDIR, nothing names it' staged_is_whole
finish
