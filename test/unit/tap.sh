# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# For scripts that print TAP: each begins with `plan`, and ends with `finish`.

# selected NAME: whether $TEST, a pattern if it is set, is that of a test
selected()
{
	[ -z "${TEST-}" ] && return
	# shellcheck disable=SC2254	# a pattern
	case $1 in
	$TEST) ;;
	*) return 1 ;;
	esac
}

# plan NUMBER: of tests, which is told at the end where not all are selected
plan()
{
	number=0 failed=0 planned=
	if selected "$(basename "$0" .sh)"; then
		unset TEST
		planned=$1
		echo "1..$1"
	fi
}

# result STATUS NAME SAID: passes if the status is 0; else SAID says why
result()
{
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		echo "$3" | head -n 40 | sed 's/^/# /'
		failed=1
	fi
}

# result_of NAME WRONG: passes if nothing is wrong
result_of()
{
	[ -z "$2" ]
	result $? "$1" "$2"
}

finish()
{
	[ "$planned" ] || echo "1..$number"
	exit "$failed"
}
