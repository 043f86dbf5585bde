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
		./bin/msr-record
		./include/msr_safe.h
		./include/msr_version.h
		./lib/modprobe.d/msr-safe.conf
		./lib/systemd/system/msr-safe.service
		./lib/sysusers.d/msr-safe.conf
		./lib/udev/rules.d/70-msr-safe.rules
		./libexec/msr-safe/service
		./sbin/msrsave
		./share/bash-completion/completions/msr-allowlist
		./share/bash-completion/completions/msr-record
		./share/bash-completion/completions/msrsave
		./share/man/man1/msr-record.1
		./share/man/man1/msrsave.1
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
	for program in "$prefix"/sbin/*; do
		"$program" --help | grep -oE -e '--[a-z-]+' | sort -u | while read -r option; do
			grep -qw -e "$option" "$prefix/share/bash-completion/completions/${program##*/}" ||
				echo "${program##*/} $option"
		done
	done
}

unit_is_sound()
{
	MANPATH=$prefix/share/man systemd-analyze verify "$prefix/lib/systemd/system/msr-safe.service"
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

plan 9
expected > "$work/expected"
said=$(make -s install prefix="$prefix" 2>&1)
result $? 'make install succeeds' "$said"
check 'all is where prefix says' nothing_lacks "$prefix"
check 'the service names what is installed' places_are_filled_in
check 'a program includes <msr_safe.h> from there' program_compiles
check 'the shell completes every option' options_are_completed
if command -v systemd-analyze > /dev/null && command -v man > /dev/null; then
	check 'systemd finds nothing wrong in the unit' unit_is_sound
else
	result 0 'systemd finds nothing wrong in the unit # SKIP no systemd-analyze or man'
fi
check 'a KDIR that is no kernel is said to be so' wrong_kdir_is_told
check 'make uninstall leaves no file' nothing_stays
check 'with DESTDIR, nothing names it' staged_is_whole
finish
