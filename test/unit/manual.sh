#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# msr_safe(4) has what msr_safe.h declares, all of it and as it is there; no manual page has
# an error that no test produces. Prints TAP.
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
page=man/msr_safe.4

# lacking REGEX FILES: of the words that are read, those that are in none of the files, put
# for WORD in the expression
lacking()
{
	grep . | while read -r word; do
		# shellcheck disable=SC2086	# several files
		grep -qE "$(echo "$1" | sed "s/WORD/$word/")" $2 || echo "$word"
	done
}

# macro NAME: what matches WORD in the page, marked up by that macro
macro()
{
	echo "^\\.(It |It Bq )?$1 (.* )?WORD( |\$)"
}

# structures FILE: the lines of their declarations
structures()
{
	for structure in msr_batch_op msr_batch_array; do
		sed -n "/^struct $structure {\$/,/^};\$/p" "$1"
	done
}

fields()
{
	sed -n 's/^\t[^*(]*[ *]\([a-z]*\);$/\1/p' msr_safe.h
}

constants()
{
	sed -n 's/^#define \([A-Za-z0-9_]*\)[[:space:]].*/\1/p' msr_safe.h
}

errors_of_the_header()
{
	grep -oE '%E[A-Z0-9]+' msr_safe.h | tr -d %
}

parameters()
{
	sed -n 's/^module_param[a-z_]*(\([a-z_]*\),.*/\1/p' msr_*.c
}

unreadable()
{
	for list in fields constants errors_of_the_header parameters; do
		[ "$($list)" ] || echo "$list"
	done
}

other_structures()
{
	[ "$(structures msr_safe.h)" = "$(structures $page)" ] || structures $page
}

plan 8
result_of 'the header and the module can be read' "$(unreadable)"
result_of 'structures are declared as in the header' "$(other_structures)"
result_of 'every field is described' "$(fields | lacking "$(macro Fa)" $page)"
result_of 'every field that is described is in the header' \
	"$(sed -n 's/^\.It Fa //p' $page | lacking '[ *]WORD(\[])?;$' msr_safe.h)"
result_of 'every constant is named' "$(constants | lacking "$(macro Dv)" $page)"
result_of 'every error of the header is explained' \
	"$(errors_of_the_header | lacking "$(macro Er)" $page)"
result_of 'every parameter of the module is described' "$(parameters | lacking "$(macro Cm)" $page)"
result_of 'every error is produced by some test' \
	"$(sed -n 's/^\..*Er \(E[A-Z0-9]*\).*/\1/p' man/*.[1-9] msrsave/*.[1-9] |
		lacking '\<WORD\>' 'test/guest/*.c test/unit/*.c')"
finish
