#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Programs say the version of msr_version.h, or a packager's label. Prints TAP.
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# check PROGRAM VERSION SOURCE OR FLAG...: built of these, it says that version
check()
{
	program=$1 version=$2
	shift 2
	said=$("${CC:-cc}" -D_GNU_SOURCE= -I. '-DLISTS_DIR=""' "$@" lib/*.c tools/common/*.c -o "$work/$program" 2>&1 &&
		"$work/$program" --version)
	[ "$said" = "$program $version" ]
	result $? "$program is $version" "$said"
}

number_of()
{
	sed -n "s/^#define MSR_SAFE_VERSION_$1[[:space:]]*//p" msr_version.h
}

version=$(number_of MAJOR).$(number_of MINOR).$(number_of PATCH)

plan 6
for label in '' 2.7.1-site; do
	set -- ${label:+"-DVERSION=\"$label\""}
	check msrsave "${label:-$version}" "$@" msrsave/*.c
	check msr-allowlist "${label:-$version}" "$@" -Ilib/shim \
		allowlists/msr-allowlist/*.c msr_table.c
	check msr-record "${label:-$version}" "$@" tools/msr-record/*.c
done
finish
