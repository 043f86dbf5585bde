#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Users' programs compile against msr_safe.h, in C and in C++, and it lays out
# what they share with the module as it always has. Prints TAP.
set -u

cd "$(dirname "$0")/../.." || exit 1
. test/unit/tap.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
program=$work/program

# compile C|C++ FILE
compile()
{
	case $1 in
	C) set -- "${CC:-cc}" -std=c99 -x c "$2" ;;
	C++) set -- "${CXX:-c++}" -std=c++11 -x c++ "$2" ;;
	esac
	"$@" -Wall -Wextra -pedantic -Werror -I. -c -o "$work/program.o"
}

# check NAME: the program compiles without a warning, in both languages
check()
{
	for language in C C++; do
		said=$(compile "$language" "$program" 2>&1)
		result $? "$1, in $language" "$said"
	done
}

# includes HEADER...
includes()
{
	printf '#include "%s"\n' "$@"
	echo 'typedef int a_program_that_says_something;'
}

# PROMISE(what) compiles only if that is true, in C99 as in C++.
promise()
{
	cat <<-'END'
		#include <stddef.h>
		#define PROMISE_AT(line, what) typedef char promise_##line[(what) ? 1 : -1]
		#define PROMISE_ON(line, what) PROMISE_AT(line, what)
		#define PROMISE(what) PROMISE_ON(__LINE__, what)
	END
}

layout()
{
	includes msr_safe.h
	promise
	cat <<-'END'
		PROMISE(sizeof(struct msr_batch_op) == 32);
		PROMISE(offsetof(struct msr_batch_op, cpu) == 0);
		PROMISE(offsetof(struct msr_batch_op, isrdmsr) == 2);
		PROMISE(offsetof(struct msr_batch_op, err) == 4);
		PROMISE(offsetof(struct msr_batch_op, msr) == 8);
		PROMISE(offsetof(struct msr_batch_op, msrdata) == 16);
		PROMISE(offsetof(struct msr_batch_op, wmask) == 24);
		PROMISE((__s32)-1 < 0);
		PROMISE(sizeof(((struct msr_batch_op *)0)->cpu) == 2);
		PROMISE(sizeof(((struct msr_batch_op *)0)->isrdmsr) == 2);
		PROMISE(sizeof(((struct msr_batch_op *)0)->err) == 4);
		PROMISE(sizeof(((struct msr_batch_op *)0)->msr) == 4);
		PROMISE(sizeof(((struct msr_batch_op *)0)->msrdata) == 8);
		PROMISE(sizeof(((struct msr_batch_op *)0)->wmask) == 8);
		PROMISE(sizeof(struct msr_batch_array) == 16);
		PROMISE(offsetof(struct msr_batch_array, numops) == 0);
		PROMISE(offsetof(struct msr_batch_array, version) == 4);
		PROMISE(offsetof(struct msr_batch_array, ops) == 8);
		PROMISE(X86_IOC_MSR_BATCH == 0xc01063a2);
		PROMISE(sizeof(struct msr_op) == 64);
		PROMISE(offsetof(struct msr_op, cpu) == 0);
		PROMISE(offsetof(struct msr_op, msr) == 4);
		PROMISE(offsetof(struct msr_op, flags) == 8);
		PROMISE(offsetof(struct msr_op, err) == 12);
		PROMISE(offsetof(struct msr_op, data) == 16);
		PROMISE(offsetof(struct msr_op, mask) == 24);
		PROMISE(offsetof(struct msr_op, wmask) == 32);
		PROMISE(offsetof(struct msr_op, tsc_before) == 40);
		PROMISE(offsetof(struct msr_op, tsc_after) == 48);
		PROMISE(offsetof(struct msr_op, limit_us) == 56);
		PROMISE(offsetof(struct msr_op, probes) == 60);
		PROMISE(sizeof(struct msr_ops) == 40);
		PROMISE(offsetof(struct msr_ops, size) == 0);
		PROMISE(offsetof(struct msr_ops, op_size) == 4);
		PROMISE(offsetof(struct msr_ops, count) == 8);
		PROMISE(offsetof(struct msr_ops, flags) == 12);
		PROMISE(offsetof(struct msr_ops, ops) == 16);
		PROMISE(offsetof(struct msr_ops, slots) == 24);
		PROMISE(offsetof(struct msr_ops, wake) == 28);
		PROMISE(offsetof(struct msr_ops, map_len) == 32);
		PROMISE(MSR_IOC_OPS == 0x63a3);
		PROMISE(MSR_IOC_PREPARE == 0x63a4);
		PROMISE(MSR_IOC_RUN == 0x63a5);
		PROMISE(offsetof(struct msr_run, values) == 8);
		PROMISE(MSR_IOC_START == 0x63a6);
		PROMISE(MSR_IOC_STOP == 0x63a7);
		PROMISE(sizeof(struct msr_run) == 16);
		PROMISE(offsetof(struct msr_run, size) == 0);
		PROMISE(offsetof(struct msr_run, flags) == 4);
		PROMISE(sizeof(struct msr_start) == 32);
		PROMISE(offsetof(struct msr_start, size) == 0);
		PROMISE(offsetof(struct msr_start, flags) == 4);
		PROMISE(offsetof(struct msr_start, first_ns) == 8);
		PROMISE(offsetof(struct msr_start, period_ns) == 16);
		PROMISE(offsetof(struct msr_start, hold_ns) == 24);
		PROMISE(sizeof(struct msr_ring) == 80);
		PROMISE(offsetof(struct msr_ring, size) == 0);
		PROMISE(offsetof(struct msr_ring, reason) == 8);
		PROMISE(offsetof(struct msr_ring, period_ns) == 48);
		PROMISE(offsetof(struct msr_ring, first_ns) == 64);
		PROMISE(offsetof(struct msr_ring, stop_ns) == 72);
		PROMISE(offsetof(struct msr_stream, cpu) == 0);
		PROMISE(offsetof(struct msr_stream, state) == 8);
		PROMISE(offsetof(struct msr_stream, pad) == 12);
		PROMISE(offsetof(struct msr_stream, late) == 24);
		PROMISE(offsetof(struct msr_stream, throttled) == 32);
		PROMISE(offsetof(struct msr_stream, late_max_ns) == 48);
		PROMISE(offsetof(struct msr_record, tick) == 0);
		PROMISE(offsetof(struct msr_ring, state) == 4);
		PROMISE(offsetof(struct msr_ring, cpus) == 12);
		PROMISE(offsetof(struct msr_ring, slots) == 16);
		PROMISE(offsetof(struct msr_ring, record_size) == 20);
		PROMISE(offsetof(struct msr_ring, tsc_khz) == 24);
		PROMISE(offsetof(struct msr_ring, start_ns) == 32);
		PROMISE(offsetof(struct msr_ring, start_tsc) == 40);
		PROMISE(offsetof(struct msr_ring, stride) == 56);
		PROMISE(sizeof(struct msr_stream) == 64);
		PROMISE(offsetof(struct msr_stream, ops) == 4);
		PROMISE(offsetof(struct msr_stream, head) == 16);
		PROMISE(offsetof(struct msr_stream, offline) == 40);
		PROMISE(offsetof(struct msr_stream, cycles_max) == 56);
		PROMISE(offsetof(struct msr_record, tsc) == 8);
		PROMISE(offsetof(struct msr_record, cycles) == 16);
		PROMISE(offsetof(struct msr_record, failed) == 20);
		PROMISE(offsetof(struct msr_record, word) == 24);
	END
}

version()
{
	includes "$@"
	promise
	cat <<-'END'
		PROMISE(MSR_SAFE_VERSION_u32 == 0x020100);
		PROMISE(sizeof(MSR_SAFE_VERSION_u32) == 4);
	END
}

# A client's own variables, of the documented types, fit the fields.
client()
{
	cat <<-'END'
		#include "msr_safe.h"
		#include "msr_version.h"
		#include "msr_safe.h"
		struct msr_batch_op *client(struct msr_batch_array *, struct msr_batch_op *);
		struct msr_batch_op *client(struct msr_batch_array *batch, struct msr_batch_op *ops)
		{
			__u16 *cpu = &ops->cpu, *isrdmsr = &ops->isrdmsr;
			__u32 *msr = &ops->msr, *numops = &batch->numops;
			__u64 *msrdata = &ops->msrdata, *wmask = &ops->wmask;
			__s32 *err = &ops->err;

			*cpu = 0;
			*isrdmsr = 1;
			*msr = 0x10;
			*err = 0;
			*msrdata = *wmask = 0;
			*numops = 1;
			batch->version = MSR_SAFE_VERSION_u32;
			batch->ops = ops;
			return batch->ops;
		}
	END
}

plan 11
includes msr_safe.h > "$program"
check 'msr_safe.h compiles alone'
layout > "$program"
check 'layouts and ioctl number are those that clients carry'
version msr_safe.h msr_version.h > "$program"
check 'the version as one number is 2.1.0'
version msr_version.h msr_safe.h > "$program"
check 'msr_version.h may come first'
client > "$program"
check 'fields have the documented types'
result_of 'each header of the tree has an include guard of its own' \
	"$(find . -path ./build -prune -o -path ./.git -prune -o -name '*.h' \
		-exec grep -h '^#ifndef [A-Z0-9_]*_H$' {} + | sort | uniq -d)"
finish
