#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# msr_compat.h chooses right for each combination of what it asks that kernels have had,
# backports included. test/unit/compat/made_up.h makes the kernels up. DKMS builds for the
# kernels that are supported. Prints TAP.
# shellcheck disable=SC2086	# several flags in one variable
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/linux/sched" "$work/asm" "$work/include/linux/sched"
for header in linux/device.h linux/hrtimer.h linux/kernel.h linux/lockdep.h \
	linux/sched.h linux/sched/isolation.h linux/security.h asm/msr.h; do
	echo '#include "made_up.h"' > "$work/$header"
done

# words DEFINES...: the headers in which Kbuild looks for words, of a kernel that has these
words()
{
	: > "$work/include/linux/hrtimer.h"
	: > "$work/include/linux/sched.h"
	: > "$work/include/linux/sched/isolation.h"
	for define; do
		case $define in
		-DHAVE_HRTIMER_SETUP) echo 'void hrtimer_setup(' ;;
		-DHAVE_HRTIMER_INIT) echo 'void hrtimer_init(' ;;
		-DHAVE_HRTIMER_HARD) echo 'HRTIMER_MODE_ABS_PINNED_HARD,' ;;
		-DHAVE_CPUS_MASK) echo 'cpumask_t cpus_mask;' >> "$work/include/linux/sched.h" ;;
		-DHAVE_HK_TYPE) echo 'HK_TYPE_TICK,' >> "$work/include/linux/sched/isolation.h" ;;
		esac
	done >> "$work/include/linux/hrtimer.h"
}

# What Kbuild says of that kernel
kbuild_flags()
{
	# shellcheck disable=SC2016	# for make
	printf 'include Kbuild\nflags: ; @echo $(ccflags-y)\n' |
		make -s -f - srctree="$work" flags
}

# compile DEFINES...
compile()
{
	words "$@"
	# shellcheck disable=SC2046	# several flags
	"${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror "$@" $(kbuild_flags) "-I$work" -Itest/unit/compat -I. \
		-o "$work/choices" test/unit/compat/choices.c
}

# kernel NAME DEFINES...: that has these, and a configuration as distributions have
kernel()
{
	name=$1
	shift
	said=$({ compile -DCONFIG_X86_64 "$@" && "$work/choices"; } 2>&1)
	result $? "$name" "$said"
}

# wrong_for yes|no RELEASE...: those for which DKMS does the opposite
wrong_for()
{
	expected=$1
	shift
	for release; do
		builds=no
		! echo "$release" | grep -qE "$dkms_kernels" || builds=yes
		[ $builds = "$expected" ] || echo "$release"
	done
}

dkms_kernels=$(. ./dkms.conf && echo "$BUILD_EXCLUSIVE_KERNEL")
OWNER=-DHAVE_CLASS_WITH_OWNER
DEVNODE=-DHAVE_CONST_DEVNODE
UEVENT=-DHAVE_CONST_UEVENT
UNINITIALIZED=-DHAVE_UNINITIALIZED
ASSERT=-DHAVE_LOCKDEP_ASSERT
LOCKDOWN_TEXT=-DHAVE_KERNEL_IS_LOCKED_DOWN
RDMSRL=-DHAVE_RDMSRL
RDMSRQ=-DHAVE_RDMSRQ
UNLOAD=-DCONFIG_MODULE_UNLOAD
WORKER=-DHAVE_IO_WORKER
INIT=-DHAVE_HRTIMER_INIT
SETUP=-DHAVE_HRTIMER_SETUP
MASK=-DHAVE_CPUS_MASK
HARD="$INIT $MASK $WORKER -DHAVE_HRTIMER_HARD"
HK="$HARD -DHAVE_HK_TYPE"

plan 17
kernel 'RHEL 8.5 to 8.8' $INIT $OWNER $RDMSRL $ASSERT $LOCKDOWN_TEXT $UNLOAD
kernel 'RHEL 8.9 and 8.10' $INIT $MASK $WORKER $OWNER $DEVNODE $UEVENT $RDMSRL $ASSERT $LOCKDOWN_TEXT $UNLOAD
kernel '5.10 to 6.1, RHEL 9.0 to 9.2' $HARD $OWNER $RDMSRL $ASSERT $UNLOAD
kernel 'RHEL 9.3, 6.2, 6.3' $HK $OWNER $DEVNODE $UEVENT $RDMSRL $ASSERT $UNLOAD
kernel 'RHEL 9.4, 6.4' $HK $DEVNODE $UEVENT $RDMSRL $ASSERT $UNLOAD
kernel 'RHEL 9.5, RHEL 10, 6.12' $HK $DEVNODE $UEVENT $UNINITIALIZED $RDMSRL $ASSERT $UNLOAD
kernel '6.13, 6.14' $HK $SETUP $DEVNODE $UEVENT $UNINITIALIZED $RDMSRL $ASSERT $UNLOAD
kernel '6.16 to 7.1' $SETUP $MASK $WORKER -DHAVE_HRTIMER_HARD -DHAVE_HK_TYPE $DEVNODE $UEVENT $UNINITIALIZED $RDMSRL $RDMSRQ $ASSERT $UNLOAD
kernel '7.2' $SETUP $MASK $WORKER -DHAVE_HRTIMER_HARD -DHAVE_HK_TYPE $DEVNODE $UEVENT $UNINITIALIZED $RDMSRQ $ASSERT $UNLOAD
kernel 'a backport of the const devnode alone' $HK $OWNER $DEVNODE $RDMSRL $ASSERT $UNLOAD
kernel 'a backport of the const dev_uevent alone' $HK $OWNER $UEVENT $RDMSRL $ASSERT $UNLOAD
kernel 'a kernel without an assertion of lockdep' $HARD $OWNER $RDMSRL $UNLOAD
kernel 'a mask by the new name in a kernel without io_uring' $INIT $MASK $OWNER $DEVNODE $UEVENT $RDMSRL $ASSERT $LOCKDOWN_TEXT $UNLOAD
kernel 'modules that cannot be unloaded' $HK $DEVNODE $UEVENT $UNINITIALIZED $RDMSRQ $ASSERT
! said=$(compile $HK $RDMSRQ $UNLOAD $DEVNODE $UEVENT 2>&1) &&
	echo "$said" | grep -q 'msr-safe is for 64-bit x86 kernels'
result $? 'a kernel of 32 bits is refused, with the reason' "$said"
result_of 'DKMS builds for supported kernels' "$(wrong_for yes 4.18.0-348.el8.x86_64 \
	4.18.0-553.66.1.el8_10.x86_64 4.18.0-553.16.1.1toss.t4.x86_64 5.10.0-46-amd64 \
	5.14.0-570.32.1.el9_6.x86_64 6.1.0-56-cloud-amd64 7.2.13+deb14-rt-amd64 10.0.0)"
result_of 'DKMS does not build for older kernels' "$(wrong_for no 3.10.0-1160.el7.x86_64 \
	4.18.0-305.25.1.el8_4.x86_64 4.18.0-25-generic 4.19.0-27-amd64 5.4.0-200-generic 5.9.0)"
finish
