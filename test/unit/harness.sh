#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What test/harness.c makes of tests that pass, fail, hang and are killed. Prints TAP.
# shellcheck disable=SC2317	# functions that test_that calls
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
plan 9
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT

# sample PATTERN [SECONDS]: its status in $status, what it says in $said
sample()
{
	TEST=$1 TEST_SECONDS=${2-60} timeout 60 build/unit/harness_sample > "$said" 2>&1
	status=$?
}

says() { grep -q -- "$1" "$said"; }

test_that()
{
	"$1"
	result $? "$1" "status $status: $(cat "$said")"
}

a_test_that_passes_is_0()
{
	sample first_passes
	[ "$status" -eq 0 ] && says '^ok 1 - first_passes' && says '^1\.\.1$'
}

fixtures_run_around_the_test()
{
	sample first_passes
	[ "$(grep '^# [sft]' "$said" | tr -d '#\n')" = ' setup setup first teardown' ]
}

a_test_that_fails_is_torn_down_and_not_0()
{
	sample second_fails
	[ "$status" -ne 0 ] && says '^not ok 1 - second_fails' && says '^# teardown'
}

a_test_without_its_setup_does_not_run()
{
	sample third_is_not_set_up
	[ "$status" -ne 0 ] && says '^not ok' && ! says never
}

a_test_that_hangs_is_named()
{
	sample fourth_hangs 1
	[ "$status" -ne 0 ] && says '^not ok - fourth_hangs: hangs, not over after 1 seconds$'
}

what_a_test_that_hangs_has_begun_ends()
{
	# cat reads on for as long as anybody can write.
	TEST=sixth_hangs_with_a_child TEST_SECONDS=1 timeout 30 sh -c \
		'build/unit/harness_sample | cat' > "$said" 2>&1
	status=$?
	[ "$status" -eq 0 ] && says '^not ok - sixth'
}

a_test_that_is_killed_is_named()
{
	sample fifth_is_killed
	[ "$status" -ne 0 ] && says '^not ok - fifth_is_killed: ended by signal 9$'
}

patterns_select_tests_in_their_order()
{
	TEST='[sf]*s' build/unit/harness_sample -l > "$said"
	status=$?
	printf '%s\n' first_passes second_fails fourth_hangs | cmp -s - "$said" || return 1
	TEST=harness_sample build/unit/harness_sample -l > "$said"
	status=$?
	[ "$(wc -l < "$said")" -eq 6 ]
}

a_pattern_of_no_test_is_an_error_of_the_list()
{
	TEST=seventh build/unit/harness_sample -l > "$said"
	status=$?
	[ "$status" -eq 1 ] && [ ! -s "$said" ]
}

export CMOCKA_MESSAGE_OUTPUT=TAP
test_that a_test_that_passes_is_0
test_that fixtures_run_around_the_test
test_that a_test_that_fails_is_torn_down_and_not_0
test_that a_test_without_its_setup_does_not_run
test_that a_test_that_hangs_is_named
test_that what_a_test_that_hangs_has_begun_ends
test_that a_test_that_is_killed_is_named
test_that patterns_select_tests_in_their_order
test_that a_pattern_of_no_test_is_an_error_of_the_list
finish
