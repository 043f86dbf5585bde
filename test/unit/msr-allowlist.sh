#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# msr-allowlist PROGRAM: what its commands print and how they exit, where the module is
# not needed. Prints TAP.
# shellcheck disable=SC2317	# functions that test_that calls
set -u

program=$(realpath "$1")
cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export MSR_ALLOWLISTS="$PWD/allowlists"
unset POSIXLY_CORRECT

# tool ARGUMENT...   its status in $status, what it says in $work/out and $work/err
tool()
{
	"$program" "$@" > "$work/out" 2> "$work/err"
	status=$?
}

# test_that NAME: the function of that name succeeds
test_that()
{
	selected "$1" || return
	"$1"
	result $? "$1" "status $status: $(head -n 20 "$work/out" "$work/err")"
}

says() { grep -qF -- "$1" "$work/err"; }
prints() { grep -qF -- "$1" "$work/out"; }
prints_nothing() { [ ! -s "$work/out" ]; }
exits() { [ "$status" -eq "$1" ]; }

# A list of these lines, which is checked as one of model 06_8F
check_lines()
{
	printf '%s\n' "$@" > "$work/list"
	tool check --cpu 06_8F "$work/list"
}

models()
{
	sed -n 's/^\([0-9A-F][0-9A-F]_[0-9A-F][0-9A-F]\)  .*/\1/p' allowlists/tables/models
}

# selects WANTED ARGUMENT...
selects()
{
	wanted=$1
	shift
	tool select "$@"
	exits 0 && cmp -s "$work/out" "allowlists/al_$wanted"
}

every_model_is_selected_by_each_kind_of_name()
{
	for model in $(models); do
		family=$((0x${model%_*})) number_of_it=$((0x${model#*_}))
		selects "$model" "$model" && selects "$model" "$family" "$number_of_it" &&
			selects "$model" "$(printf 'al_%.2x%x' "$family" "$number_of_it")" || return 1
	done
	selects 06_8F al_06_8F && selects 06_8F 068F && selects 06_8F 0x6 0x8f &&
		selects 19_01 191 && selects 06_8F --cpu al_068f && selects 06_8F ./al_06_8F-site
}

# selects_none NEAREST ARGUMENT...   and says what is nearest, if anything
selects_none()
{
	nearest=$1
	shift
	tool select "$@"
	exits 1 && prints_nothing && says 'there is no list for' || return 1
	if [ "$nearest" = none ]; then
		! says nearest
	else
		says "nearest by number is $nearest, " && says 'not the same'
	fi
}

models_without_a_list_are_told_the_nearest()
{
	selects_none 06_2A 06_2B && selects_none 06_85 6 134 && selects_none 06_CF 06_D6 &&
		selects_none 19_01 19_00 && selects_none 1A_57 al_1a60 &&
		selects_none none 0F_04 && selects_none none 24 0
}

this_machine_is_that_of_cpuinfo()
{
	family=$(sed -n 's/^cpu family\s*: //p' /proc/cpuinfo | head -n 1)
	model=$(sed -n 's/^model\s*: //p' /proc/cpuinfo | head -n 1)
	tool select
	if exits 0; then
		grep -qiF "$(printf ': family %02Xh, model %02Xh' "$family" "$model")" "$work/out"
	else
		says "$(printf 'family %02Xh, model %02Xh' "$family" "$model")"
	fi
}

what_the_site_decides_takes_the_place_of_what_was_read_only()
{
	for model in $(models); do
		tool select --with all "$model"
		exits 0 || return 1
		! grep -q '^# 0x' "$work/out" || return 1
		cp "$work/out" "$work/al_$model"
		tool check "$work/al_$model"
		exits 0 && prints 'nothing found' || return 1
	done
	grep -q '^0x00000611 ' "$work/al_06_8F" &&
		grep -q '^0x00000610 0x00FFFFFF00FFFFFF # PKG_POWER_LIMIT' "$work/al_06_8F"
}

only_the_groups_that_were_named_are_decided()
{
	tool select --with energy,turbo 06_3F
	grep -q '^0x00000611 ' "$work/out" && grep -q '^0x000001AD 0xF' "$work/out" &&
		! grep -q '^0x000001AD 0x0' "$work/out" &&
		grep -q '^# 0x00000610 0x00FF' "$work/out" && grep -q '^0x00000610 0x0000' "$work/out"
}

the_later_of_two_groups_of_a_register_is_decided()
{
	tool select --with counters,counters-os 06_8F
	exits 0 && [ "$(grep -c '^0x00000186 ' "$work/out")" = 1 ] &&
		prints '0x00000186 0x00000000FFC7FFFF' && prints '0x0000038D 0x0000000000003333' ||
		return 1
	tool select --with counters 06_8F
	exits 0 && prints '0x00000186 0x00000000FFC5FFFF' &&
		grep -q '^# 0x00000186 0x00000000FFC7FFFF' "$work/out"
}

every_list_is_good()
{
	tool check allowlists/al_??_??
	exits 0 && [ ! -s "$work/err" ] && [ "$(grep -c 'nothing found$' "$work/out")" = "$(models | wc -l)" ]
}

# refused LINE WHY TEXT...   TEXT as printf takes it
refused()
{
	line=$1 why=$2
	shift 2
	# shellcheck disable=SC2059	# it is the format
	printf "$@" > "$work/list"
	tool check "$work/list"
	exits 1 && prints ': the module would refuse this list' &&
		says "msr-allowlist: $work/list: line $line: $why" && says ': the module refuses the list'
}

the_module_is_spoken_for()
{
	refused 2 'address is not a number' '0x10 0\nzz 0\n' &&
		refused 1 'address over 32 bits' '0x100000000 0\n' &&
		refused 3 'write mask over 64 bits' '#\n\n0x10 0x10000000000000000\n' &&
		refused 1 'write mask is not a number' '0x10 0#\n' &&
		refused 2 'address without a write mask' '0x10 0\n0x11\n' &&
		refused 2 'address is listed twice' '0x10 0\n16 1\n' &&
		refused 2 'no entry found' '# none\n' &&
		refused 1 'NUL byte' '0x10 0\0\n'
}

lists_end_at_131073_bytes()
{
	{ echo '0x10 0'; head -c 131066 /dev/zero | tr '\0' ' '; } > "$work/list"
	tool check "$work/list"
	exits 0 || return 1
	echo >> "$work/list"
	tool check "$work/list"
	exits 1 && says 'over 131073 bytes' && says 'the module refuses the list'
}

doubles_are_found()
{
	check_lines '0x10 0' '16 2' '0x199 0' '0x10 3'
	exits 1 && says 'line 2: 0x10: listed on line 1 already' &&
		says 'line 4: 0x10: listed on line 1 already' && ! says 'line 3' && prints ': 4 errors'
}

repeated_lines_are_dropped()
{
	check_lines '0x10 0' '16 0x0' '0x198 0' '0x10 0'
	exits 0 && says 'line 2: 0x10 repeats an earlier entry: dropped' &&
		says 'line 4: 0x10 repeats an earlier entry: dropped' && prints ' 2 entries' || return 1
	# Comments and lines stay as they are.
	check_lines '0x10 0 # TIME_STAMP_COUNTER' '0x10 0 # again' '0x198 0 # PERF_CTL' '0x12345 0'
	exits 1 && says 'line 3: 0x198: PERF_CTL is 0x199' &&
		says 'line 4: 0x12345: not a register that is known'
}

denied_bits_are_found()
{
	check_lines '0x199 0xffff' '0xC0000082 0x1' '0x186 0xffffffff' '0x610 0x80ffffff00ffffff' \
		'0x1B 0'
	exits 1 && says 'line 2: 0xC0000082: bits 0x1 must not be writable: STAR, LSTAR' &&
		says 'line 3: 0x186: bits 0x380000 must not' &&
		says 'line 4: 0x610: bits 0x8000000000000000 must not' && ! says 'line 1:'
}

reserved_bits_are_found()
{
	check_lines '0x618 0xffffff' '0x199 0x10000ffff'
	exits 1 && says 'line 1: 0x618: DRAM_POWER_LIMIT: bits 0x10000 are reserved' && ! says 'line 2'
}

unknown_registers_are_found()
{
	check_lines '0x12345678 0' '0x3FA 0' '0x10 0'
	exits 1 && says 'line 1: 0x12345678: not a register that is known' &&
		says 'line 2: 0x3FA: a register of other models' && ! says 'line 3'
}

wrong_names_are_found()
{
	check_lines '0x199 0 # IA32_PERF_CTL' '0x198 0 # PERF_CTL' '0x10 0 # "MSR_TIME_STAMP_CTR"' \
		'0x19A 0 # duty cycle' '0xE7 0'
	exits 1 && says 'line 2: 0x198: PERF_CTL is 0x199, this is PERF_STATUS' &&
		says 'line 3: 0x10: named TIME_STAMP_CTR, but this is TIME_STAMP_COUNTER' &&
		! says 'line 1' && ! says 'line 4' && ! says 'line 5'
}

a_list_is_checked_as_of_the_model_in_its_name()
{
	echo '0x1AF 0' > "$work/al_06_3F"
	echo '0x1AF 0' > "$work/al_068f"
	tool check "$work/al_06_3F"
	exits 0 && prints 'model 3Fh, Haswell-EP' || return 1
	tool check "$work/al_068f"
	exits 1 && prints 'model 8Fh' || return 1
	tool check --cpu 06_3F "$work/al_068f"
	exits 0
}

every_error_is_told_with_its_word()
{
	check_lines '0x10 0' '0x199 zz # a comment' '0x1FFFFFFFF 1' 'x 1' '0x11' '0x12 0'
	exits 1 && says 'line 2: write mask is not a number: zz' &&
		says 'line 3: address over 32 bits: 0x1FFFFFFFF' &&
		says 'line 4: address is not a number: x' &&
		prints ': the module would refuse this list' || return 1
	check_lines '0x10 0' '0x199'
	exits 1 && says 'line 2: address without a write mask' && prints '1 error' &&
		! prints errors || return 1
	check_lines '# nothing'
	exits 1 && says 'no entry found'
}

a_list_for_another_model_is_an_error()
{
	cp allowlists/al_19_01 "$work/my-list"
	tool check --cpu 06_8F "$work/my-list"
	exits 1 && says 'family 19h, model 01h, Milan' && says 'this is family 06h, model 8Fh' || return 1
	tool check --cpu 19_01 "$work/my-list"
	exits 0 && ! says family
}

models_have_names_and_numbers()
{
	selects 06_8F sapphirerapids && selects 06_8F 'Sapphire Rapids' && selects 19_11 genoa &&
		selects 19_30 trento && selects 06_2D sandybridge-ep && selects 06_8F 0x8F &&
		selects 06_8F --family 6 --model 143 && selects 19_01 --family 0x19 --model 1 || return 1
	tool select nonesuch
	exits 2 && says 'msr-allowlist list'
}

clients_have_the_groups_that_they_need()
{
	tool select --with energy 06_8F
	cp "$work/out" "$work/with"
	tool select --for papi 06_8F
	exits 0 && cmp -s "$work/out" "$work/with" || return 1
	tool select --for nonesuch 06_8F
	exits 2 && says 'no such client' || return 1
	tool select --for papi --with energy 06_8F
	exits 2 || return 1
	tool show --for papi
	exits 2
}

models_and_groups_are_listed()
{
	tool list
	exits 0 && prints '19_30  Trento' && prints 'counters-os' || return 1
	for model in $(models); do prints "$model  " || return 1; done
}

lists_that_are_not_there_are_told()
{
	tool --lists "$work/none" select
	exits 1 && says 'the lists are not there'
}

one_bad_list_among_good_ones_is_found()
{
	echo 'x' > "$work/bad"
	tool check allowlists/al_06_8F "$work/bad" "$work/missing" allowlists/al_06_55
	exits 1 && says "$work/missing: No such file" && [ "$(wc -l < "$work/out")" = 3 ] || return 1
	tool check "$work"
	exits 1 && says "$work: Is a directory" && prints_nothing
}

differences_are_printed_from_both_sides()
{
	printf '0x10 0\n0x199 1\n0xe7 0\n' > "$work/a"
	printf '0x199 0xffff\n0xe7 0\n0xe8 0\n' > "$work/b"
	tool diff "$work/a" "$work/b"
	exits 1 && [ "$(cut -c 1-30 "$work/out")" = "-0x00000010 0x0000000000000000
-0x00000199 0x0000000000000001
+0x00000199 0x000000000000FFFF
+0x000000E8 0x0000000000000000" ]
}

what_is_the_same_in_another_order_does_not_differ()
{
	printf '0x10 0 # a\n0x199 1\n' > "$work/a"
	printf '0x199 0x1 0x10 0x0\n' > "$work/b"
	tool diff "$work/a" "$work/b"
	exits 0 && prints_nothing
}

standard_input_is_a_file()
{
	echo '0x10 0' | "$program" check - > "$work/out" 2> "$work/err"
	status=$?
	exits 0
}

what_the_module_would_refuse_is_not_loaded()
{
	echo '0x10' > "$work/list"
	tool load "$work/list"
	exits 1 && says 'the module refuses the list' && ! says /dev/cpu/msr_allowlist
}

denied_bits_are_not_loaded()
{
	echo '0xC0000082 1' > "$work/list"
	tool load "$work/list"
	exits 1 && says 'not loaded; --force' && ! says /dev/cpu/msr_allowlist
}

a_wrong_command_line_is_2()
{
	for arguments in '' nonsense check 'load a b' 'show x' 'diff a' --nonsense 'select zz' \
		'select 06_8F x' 'select 300 1' 'select -1 1' '--with energy show' '--force show' '--family 6 select' '--family 6 --model 1 select 06_8F' '--model 1 show' \
		'--prune show' '--with nonsense select' '--cpu 6 show' '--cpu 06_8F select 06_3F' 'select 06_8Fx' 'select al_06'; do
		# shellcheck disable=SC2086	# words
		tool $arguments
		exits 2 && prints_nothing && [ -s "$work/err" ] || return 1
	done
}

help_and_version_are_0()
{
	tool --help
	exits 0 && prints 'Usage: msr-allowlist' || return 1
	tool --version
	exits 0 && prints 'msr-allowlist 2.'
}

# A write with a mask can undo what others change in the other bits.
partial_masks_of_registers_with_other_writers_are_warned_of()
{
	check_lines '0x610 0x7fff' && exits 0 && says 'line 1: 0x610: warning:' &&
		says 'other CPUs' && says 'bits 0x80FFFFFF00FF8000' && prints '1 warning' || return 1
	check_lines '0x186 0xff' && exits 0 && says 'warning:' && says 'perf' || return 1
	check_lines '0x1A4 0x1' && exits 0 && says 'warning:' || return 1
	check_lines '0x1A4 0x2F' && exits 0 && ! says 'warning' && ! prints warning || return 1
	check_lines '0x199 0x1' && exits 0 && ! says 'warning' || return 1
	check_lines '0x610 0' && exits 0 && ! says 'warning'
}

a_writable_clock_is_a_finding()
{
	check_lines '0x10 1' && exits 1 && says 'must not be writable: ' && says 'time of the kernel' || return 1
	check_lines '0x3B 1' && exits 1 && says 'time of the kernel'
}

tables_that_cannot_be_read_are_1()
{
	tool --lists "$work" select 06_8F
	exits 1 && says "$work/tables/models: No such file" || return 1
	cp -r allowlists/tables "$work"
	for wrong in 'denied 0x10  all  all  time' 'denied 0x10..0x9  all  all  time  x' \
		'denied 0x10  al  all  time  x' \
		'registers 0x10  X  intel  thread  zz  -  -  x  y' 'models 06-11  x  y'; do
		table=$work/tables/${wrong%% *}
		echo "${wrong#* }" >> "$table"
		tool --lists "$work" select 06_8F
		exits 1 && says "$table: line $(wc -l < "$table"): not" || return 1
		cp "allowlists/tables/${wrong%% *}" "$table"
	done
}

a_full_disk_is_1()
{
	"$program" select 06_8F > /dev/full 2> "$work/err"
	status=$?
	exits 1 && says 'standard output'
}

plan 34
test_that every_model_is_selected_by_each_kind_of_name
test_that models_without_a_list_are_told_the_nearest
test_that this_machine_is_that_of_cpuinfo
test_that what_the_site_decides_takes_the_place_of_what_was_read_only
test_that only_the_groups_that_were_named_are_decided
test_that the_later_of_two_groups_of_a_register_is_decided
test_that every_list_is_good
test_that the_module_is_spoken_for
test_that lists_end_at_131073_bytes
test_that doubles_are_found
test_that repeated_lines_are_dropped
test_that denied_bits_are_found
test_that reserved_bits_are_found
test_that unknown_registers_are_found
test_that wrong_names_are_found
test_that a_list_is_checked_as_of_the_model_in_its_name
test_that every_error_is_told_with_its_word
test_that a_list_for_another_model_is_an_error
test_that models_have_names_and_numbers
test_that clients_have_the_groups_that_they_need
test_that models_and_groups_are_listed
test_that lists_that_are_not_there_are_told
test_that one_bad_list_among_good_ones_is_found
test_that differences_are_printed_from_both_sides
test_that what_is_the_same_in_another_order_does_not_differ
test_that standard_input_is_a_file
test_that what_the_module_would_refuse_is_not_loaded
test_that denied_bits_are_not_loaded
test_that a_wrong_command_line_is_2
test_that help_and_version_are_0
test_that partial_masks_of_registers_with_other_writers_are_warned_of
test_that a_writable_clock_is_a_finding
test_that tables_that_cannot_be_read_are_1
test_that a_full_disk_is_1
finish
