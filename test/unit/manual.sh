#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# msr_safe(4) has all that msr_safe.h declares, and no error that no test produces.
# Prints TAP.
set -u

cd "$(dirname "$0")/../.." || exit 1
page=man/msr_safe.4
number=0 failed=0

# check NAME REGEX FILES WORDS: each word, put for WORD in REGEX, is in one of the FILES
check()
{
	number=$((number + 1))
	lacking=$(for word in $4; do
		# shellcheck disable=SC2086	# several files
		grep -qE "$(echo "$2" | sed "s/WORD/$word/")" $3 || echo "$word"
	done)
	if [ "$4" ] && [ -z "$lacking" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		echo "$lacking" | sed 's/^/# /'
		failed=1
	fi
}

# macro NAME: what matches WORD in the page, marked up by that macro
macro()
{
	echo "^\\.(It |It Bq )?$1 (.* )?WORD( |\$)"
}

echo 1..5
check 'every field is described' "$(macro Fa)" $page \
	"$(sed -n 's/^\t[^*(]*[ *]\([a-z]*\);$/\1/p' msr_safe.h)"
check 'every constant is named' "$(macro Dv)" $page \
	"$(sed -n 's/^#define \([A-Za-z0-9_]*\)[[:space:]].*/\1/p' msr_safe.h)"
check 'every error of the header is explained' "$(macro Er)" $page \
	"$(grep -oE '%E[A-Z0-9]+' msr_safe.h | tr -d %)"
check 'every parameter of the module is described' "$(macro Cm)" $page \
	"$(sed -n 's/^module_param[a-z_]*(\([a-z_]*\),.*/\1/p' msr_*.c)"
check 'every error is produced by some test' '\<WORD\>' 'test/guest/*.c' \
	"$(sed -n 's/^\..*Er \(E[A-Z0-9]*\).*/\1/p' $page | sort -u)"
exit $failed
