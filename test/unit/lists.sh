#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The lists that are committed are those that the table makes, with any awk. Prints TAP.
set -u

cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

# same_lists: the lists of the tree and those in $work
same_lists()
{
	(cd allowlists && ls al_*) > "$work/tree"
	(cd "$work" && ls al_*) | diff "$work/tree" - || return 1
	for list in allowlists/al_*; do
		diff -u "$list" "$work/${list##*/}" || return 1
	done
}

# check NUMBER AWK
check()
{
	if ! command -v "${2%% *}" > /dev/null; then
		echo "ok $1 - the lists are those of the table, with $2 # SKIP not there"
	elif AWK=$2 allowlists/generate "$work" > "$work/log" 2>&1 && same_lists >> "$work/log"; then
		echo "ok $1 - the lists are those of the table, with $2"
	else
		echo "not ok $1 - the lists are those of the table, with $2: run make lists"
		head -n 30 "$work/log" | sed 's/^/# /'
		failed=1
	fi
}

echo 1..4
check 1 awk
check 2 'busybox awk'
check 3 mawk
check 4 gawk
exit $failed
