#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The lists that are committed are those that the table makes, with any awk. Prints TAP.
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# same_lists: the lists of the tree and those in $work
same_lists()
{
	(cd allowlists && ls al_*) > "$work/tree"
	(cd "$work" && ls al_*) | diff "$work/tree" - || return 1
	for list in allowlists/al_*; do
		diff -u "$list" "$work/${list##*/}" || return 1
	done
}

# check AWK
check()
{
	name="the lists are those of the table, with $1"
	if command -v "${1%% *}" > /dev/null; then
		said=$(AWK=$1 allowlists/generate "$work" 2>&1 && same_lists)
		result $? "$name" "$said
run make lists"
	else
		result 0 "$name # SKIP not there"
	fi
}

plan 4
check awk
check 'busybox awk'
check mawk
check gawk
finish
