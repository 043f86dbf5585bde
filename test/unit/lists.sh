#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The lists, the module's table of registers to warn about and msrsave's of kinds that are
# committed are those that the tables make, with any awk. Prints TAP.
# shellcheck disable=SC2016,SC2317	# sed scripts; functions that are called by name
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# made AWK [TABLES]: into $work/made, and the same with another directory of tables
made()
{
	rm -rf "$work/made" "$work/allowlists"
	mkdir "$work/made" "$work/allowlists"
	cp -r allowlists/generate* allowlists/*.awk allowlists/former-name "$work/allowlists"
	cp -r "${2-allowlists/tables}" "$work/allowlists/tables"
	AWK=$1 "$work/allowlists/generate" "$work/made" "$work/made/msr_takeover.c" "$work/made/kinds.c"
}

# as_committed: what is in $work/made
as_committed()
{
	(cd allowlists && ls al_??_*) > "$work/tree"
	(cd "$work/made" && ls al_??_*) | diff "$work/tree" - || return 1
	while read -r list; do
		diff -u "allowlists/$list" "$work/made/$list" || return 1
	done < "$work/tree"
	diff -u msr_takeover.c "$work/made/msr_takeover.c" &&
		diff -u msrsave/kinds.c "$work/made/kinds.c"
}

former_names_are_links()
{
	made awk || return 1
	while read -r list; do
		former=$work/made/$(allowlists/former-name "$list")
		[ "$(readlink "$former")" = "$list" ] || { echo "$former"; return 1; }
	done < "$work/tree"
	[ "$(readlink "$work/made/al_068f")" = al_06_8F ]
}

# differs TABLE SED: the tables with one that sed has changed do not make what is committed
differs()
{
	rm -rf "$work/tables"
	cp -r allowlists/tables "$work/tables"
	sed -i "$2" "$work/tables/$1"
	! cmp -s "allowlists/tables/$1" "$work/tables/$1" && made awk "$work/tables" &&
		! as_committed > /dev/null
}

changes_are_noticed()
{
	cp -r allowlists/tables "$work/no-kind"
	sed -i '/^0x19C /s/  log  /  sate  /' "$work/no-kind/registers"
	differs denied '/^0xC0000080 /d' &&
		differs denied '$a 0x12345  all  all  memory  NEW' &&
		differs denied '$a 0x12345  0x1  all  takeover  NEW' &&
		! differs denied '$a 0x12345  all  all  identity  NEW' &&
		differs registers '/^0x199 /d' &&
		differs registers '/^0x19C /s/  log  /  state  /' &&
		! made awk "$work/no-kind" 2> /dev/null
}

# Rows whose sources are not those that the head of the table describes, nor -
strange_sources()
{
	awk -F '  +' '
		/^#   [A-Z][A-Za-z0-9]* / || /^#   pepc / { split($2, word, " "); known[word[1]] }
		/^#/ || /^$/ { next }
		$9 == "-" { next }
		{
			n = split($9, source, ", ")
			for (i = 1; i <= n; i++) {
				split(source[i], word, " ")
				name = word[1]
				sub(/^SDM[34]$/, "SDM", name)
				if (name ~ /^2\.[0-9]+$/ && i > 1)
					continue
				if (!(name in known))
					print $1, $9
			}
		}' "$1"
}

every_row_names_sources_that_can_be_looked_up()
{
	strange=$(strange_sources allowlists/tables/registers)
	[ -z "$strange" ] || { echo "$strange"; return 1; }
	# One that is not described is found.
	sed '/^0x199 /s/SDM4/SDX4/' allowlists/tables/registers > "$work/strange"
	[ "$(strange_sources "$work/strange")" ]
}

a_row_without_a_source_says_so_in_the_list()
{
	grep -q '^# 0x000000C1 .*(no public source)$' allowlists/al_06_DD &&
		! grep -q 'no public source' allowlists/al_06_8F
}

plan 8
for awk in awk 'busybox awk' mawk gawk; do
	name="what is committed is what the tables make, with $awk"
	if command -v "${awk%% *}" > /dev/null; then
		said=$(made "$awk" 2>&1 && as_committed)
		result $? "$name" "$said
run make lists"
	else
		result 0 "$name # SKIP not there"
	fi
done
said=$(former_names_are_links 2>&1)
result $? "each list has its former name as a link" "$said"
said=$(changes_are_noticed 2>&1)
result $? "a row more or less of a table is noticed" "$said"
said=$(every_row_names_sources_that_can_be_looked_up 2>&1)
result $? "every row names sources that can be looked up" "$said"
said=$(a_row_without_a_source_says_so_in_the_list 2>&1)
result $? "a row without a source says so in the list" "$said"
finish
