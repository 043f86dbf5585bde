#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What states the version says what msr_version.h says. Prints TAP.
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
version=$(awk '/define MSR_SAFE_VERSION_(MAJOR|MINOR|PATCH)/ { printf "%s%s", dot, $3; dot = "." }' \
	msr_version.h)

# check FILE VERSION
check()
{
	[ "$2" = "$version" ]
	result $? "$1 is of $version" "it says $2"
}

plan 5
check dkms.conf "$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)"
for spec in packaging/rpm/*.spec; do
	check "$spec" "$(sed -n 's/^Version: *//p' "$spec")"
done
check debian/changelog "$(sed -n '1s/.*(\([0-9.]*\).*/\1/p' debian/changelog)"
check CHANGELOG.md "$(sed -n 's/^## \([0-9.]*\) (20[0-9-]\{8\})$/\1/p' CHANGELOG.md | head -n 1)"
finish
