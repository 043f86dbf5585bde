#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What test/vm says when a kernel cannot be had, and of what a guest's kernel logs; with
# programs that stand for apt and qemu. Prints TAP.
# shellcheck disable=SC2317	# functions that test_that calls
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
plan 13
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
said=$work/said
mkdir -p "$work/bin" "$work/kernel/modules"
: > "$work/kernel/vmlinuz"
echo exit > "$work/script"

# stand_in NAME: a program of what standard input says
stand_in()
{
	{ echo '#!/bin/sh'; cat; } > "$work/bin/$1"
	chmod 755 "$work/bin/$1"
}

stand_in dpkg-query <<'END'
echo installed
END
stand_in apt-cache <<'END'
exit 100
END
# The log and what the script prints come from the test.
stand_in qemu-system-x86_64 <<'END'
while [ $# -gt 0 ]; do
	case $1 in
	file:*) cat "$GUEST_LOG" > "${1#file:}" ;;
	-pidfile) echo $$ > "$2" ;;
	esac
	shift
done
cat "$GUEST_PRINTS"
exec sleep "$GUEST_SECONDS"
END

says() { grep -q -- "$1" "$said"; }

test_that()
{
	"$1"
	result $? "$1" "status $status: $(cat "$said")"
}

# boots PRINTS LOG [SECONDS]: its status in $status, what it says in $said
boots()
{
	printf '%b' "$1" > "$work/prints"
	printf '%b' "$2" > "$work/log"
	PATH=$work/bin:$PATH GUEST_PRINTS=$work/prints GUEST_LOG=$work/log GUEST_SECONDS=${3-0} \
		test/vm/boot -t 3 -b 1 "$work/kernel" "$work/script" > "$said" 2>&1
	status=$?
}

# make_without_kernel TARGET
make_without_kernel()
{
	(unset MAKEFLAGS MAKELEVEL TEST
	 PATH=$work/bin:$PATH XDG_CACHE_HOME=$work/cache make "$1" KERNEL=9.9.9-none) > "$said" 2>&1
	status=$?
}

make_stops_with_the_reason_when_there_is_no_kernel()
{
	for target in demo check bench; do
		make_without_kernel "$target"
		[ "$status" -ne 0 ] && says 'There is no package linux-image-9.9.9-none' &&
			says 'No virtual machine is started' &&
			! says FAILED && ! says '^ok' && ! says 'Starting a' || return 1
	done
}

the_status_is_that_of_the_script()
{
	boots 'guest-began\nguest-exit: 0\n' '[    1.0] fine\n'
	[ "$status" -eq 0 ] || return 1
	boots 'guest-began\nguest-exit: 7\n' '[    1.0] fine\n'
	[ "$status" -eq 7 ]
}

a_kernel_that_warns_is_a_failure()
{
	for line in 'WARNING: CPU: 1 PID: 2 at msr_exec.c:1' '[    1.0] WARNING: possible deadlock' \
		'[    1.0][   T12] WARNING: suspicious RCU usage' '[    1.0] BUG: KASAN: use' \
		'[    1.0] Oops: 0000'; do
		boots 'guest-began\nguest-exit: 0\n' "$line\n"
		[ "$status" -eq 125 ] && says 'the kernel warned' || return 1
	done
}

what_a_kernel_says_of_its_processor_is_none()
{
	boots 'guest-began\nguest-exit: 0\n' '[    0.5] RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!\n[    0.5] Spectre V2 : WARNING: Unprivileged eBPF is enabled\n'
	[ "$status" -eq 0 ]
}

a_panic_is_one_even_if_the_guest_hangs()
{
	boots 'guest-began\n' '[   19.0] Kernel panic - not syncing: sysrq\n' 10
	[ "$status" -eq 125 ] && says 'the kernel panicked' && ! says hung
}

a_guest_that_hangs_is_ended()
{
	boots 'guest-began\n' '[    1.0] fine\n' 10
	[ "$status" -eq 125 ] && says 'the guest hung: it was ended after 3 seconds'
}

a_guest_that_ends_by_itself_died()
{
	boots 'guest-began\n' '[    1.0] fine\n'
	[ "$status" -eq 125 ] && says 'the guest died' && ! says hung
}

a_qemu_that_fails_is_told()
{
	boots '' '' nonsense
	[ "$status" -eq 125 ] && says 'qemu failed with exit status 1'
}

a_guest_that_dies_before_its_first_program_is_booted_again()
{
	boots '' '[    1.0] fine\n'
	[ "$status" -eq 125 ] && [ "$(grep -c 'booting again' "$said")" -eq 4 ]
}

a_guest_that_hangs_before_its_first_program_is_booted_again()
{
	boots '' '[    1.0] fine\n' 10
	[ "$status" -eq 125 ] && [ "$(grep -c 'booting again' "$said")" -eq 4 ] &&
		says 'the kernel hung: it had no program after 1 seconds'
}

# The first run loses a test, and does not count.
an_emulator_that_loses_its_processor_is_started_again()
{
	boots 'guest-began\n1..2\nok 1 - a\nnot ok 2 - b\n' '[  221.4] RSP: 0018:0 EFLAGS: 023cc646\n'
	[ "$status" -eq 125 ] && [ "$(grep -c 'booting again, 3 lines above' "$said")" -eq 4 ] || return 1
	boots 'guest-began\nguest-exit: 0\n' '[  221.4] RSP: 0018:0 EFLAGS: 003fffd7\n'
	[ "$status" -eq 0 ] && ! says 'booting again'
}

what_a_guest_said_before_it_was_started_again_does_not_count()
{
	printf '%s\n' '1..1' 'ok 1 - here' '1..3' 'ok 1 - a' 'not ok 2 - b' \
		'# The emulator failed: booting again, 3 lines above do not count' \
		'1..2' 'ok 1 - a' 'ok 2 - b' > "$work/tap"
	status=0
	test/tally "$work/tap" > "$said" || status=$?
	[ "$status" -eq 0 ] && says '^3 passed, 0 failed'
}

what_is_skipped_has_neither_passed_nor_failed()
{
	printf '%s\n' '1..4' 'ok 1 - a' 'not ok 2 # SKIP b' 'ok 3 - c # SKIP not there' 'ok 4 - d' \
		> "$work/tap"
	status=0
	test/tally "$work/tap" > "$said" || status=$?
	[ "$status" -eq 0 ] && says '^2 skipped: b; c not there$' && says '^2 passed, 0 failed$' ||
		return 1
	echo 'not ok - what has no number cannot be skipped # SKIP' >> "$work/tap"
	! test/tally "$work/tap" > "$said" && says '^2 passed, 1 failed$'
}

test_that make_stops_with_the_reason_when_there_is_no_kernel
test_that the_status_is_that_of_the_script
test_that a_kernel_that_warns_is_a_failure
test_that what_a_kernel_says_of_its_processor_is_none
test_that a_panic_is_one_even_if_the_guest_hangs
test_that a_guest_that_hangs_is_ended
test_that a_guest_that_ends_by_itself_died
test_that a_qemu_that_fails_is_told
test_that a_guest_that_dies_before_its_first_program_is_booted_again
test_that a_guest_that_hangs_before_its_first_program_is_booted_again
test_that an_emulator_that_loses_its_processor_is_started_again
test_that what_a_guest_said_before_it_was_started_again_does_not_count
test_that what_is_skipped_has_neither_passed_nor_failed
finish
