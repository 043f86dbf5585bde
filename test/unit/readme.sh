#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The pages speak of what is there. Prints TAP.
# shellcheck disable=SC2016	# back quotes of Markdown
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
pages="README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md docs/*.md contribs/README.md"

# quoted REGEX: the words in back quotes that match all of it
quoted()
{
	# shellcheck disable=SC2086	# several pages
	grep -ohE "\`($1)\`" $pages | tr -d '`' | sort -u
}

files_that_are_not_there()
{
	quoted '[a-z_]+[.](c|h)|[A-Z]+[.]md|[a-z_]+/[A-Za-z0-9_./-]*' | while read -r path; do
		case $path in
		build/*) continue ;;
		esac
		[ -e "$path" ] || [ -e "test/$path" ] || [ -e "test/guest/$path" ] || echo "$path"
	done
}

targets_that_are_not_there()
{
	# shellcheck disable=SC2086
	grep -ohE '(^ {4}|`)(sudo )?make [a-z_-]+' $pages | sed 's/.*make //' | sort -u |
		while read -r target; do
			grep -qE "^([a-z_-]+ )*$target( [a-z_-]+)*:" Makefile packaging/install.mk test/test.mk ||
				echo "$target"
		done
}

sections_that_are_not_there()
{
	# shellcheck disable=SC2086
	grep -oHE '\]\(#[a-z0-9-]+\)' $pages | tr -d ')(]' | while IFS=:# read -r page _ anchor; do
		sed -n 's/^#* //p' "$page" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9\n-' |
			grep -qxF -e "$anchor" || echo "$page#$anchor"
	done
}

# Where they are evidence
tests_that_are_not_there()
{
	grep -ohE '`[a-z0-9]+(_[a-z0-9]+){2,}`' SECURITY.md docs/clients.md | tr -d '`' | sort -u |
		while read -r test; do
			grep -rq "^TEST($test," test || echo "$test"
		done
}

parts_without_a_place()
{
	architecture=$(sed -n '/^## The tree/,$p' docs/design.md)
	for part in msr_*.c msr_*.h Makefile Kbuild dkms.conf */ test/*/; do
		part=${part#test/}
		case $part in
		build/) continue ;;
		*.h) [ ! -e "${part%.h}.c" ] || continue ;;
		esac
		echo "$architecture" | grep -qF "\`$part\`" || echo "$part"
	done
}

plan 5
result_of 'every file that is named is there' "$(files_that_are_not_there)"
result_of 'every target of make that is named is there' "$(targets_that_are_not_there)"
result_of 'every section that is referred to is there' "$(sections_that_are_not_there)"
result_of 'every test that is named is there' "$(tests_that_are_not_there)"
result_of 'docs/design.md names every part of the tree' "$(parts_without_a_place)"
finish
