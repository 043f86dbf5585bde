#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Users' programs compile against msr_safe.h, in C and in C++, and it lays out
# what they share with the module as it always has, also in C++. Prints TAP.
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

# check_in C|C++ NAME: the program compiles without a warning
check_in()
{
	said=$(compile "$1" "$program" 2>&1)
	result $? "$2, in $1" "$said"
}

check()
{
	check_in C "$1"
	check_in C++ "$1"
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
		#define PROMISE(what) extern char promise[(what) ? 1 : -1]
	END
}

# What test_abi.c tests in C
layout()
{
	includes msr_safe.h
	promise
	cat <<-'END'
		#define MEMBER(s, m, offset, size) PROMISE(offsetof(struct s, m) == offset && \
			sizeof(((struct s *)0)->m) == size);
		#define ARRAY(s, m, offset, size) PROMISE(offsetof(struct s, m) == offset && \
			sizeof(((struct s *)0)->m[0]) == size);
		#define HOLE(s, offset, size)
		#define STRUCT(s, size) PROMISE(sizeof(struct s) == size);
		#define NUMBER(name, value) PROMISE(name == value);
		#include "test/unit/abi.h"
	END
}

lacking_in_abi()
{
	sed -n -e 's/^struct \([a-z_]*\) {$/STRUCT(\1,/p' \
		-e 's/^#define \([A-Za-z0-9_]*\)[[:space:]].*/NUMBER(\1,/p' msr_safe.h |
		while read -r wanted; do
			grep -qF "$wanted" test/unit/abi.h || echo "$wanted"
		done
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
check_in C++ 'layouts and numbers are those that programs have built in'
result_of 'abi.h has each structure and each number of msr_safe.h' "$(lacking_in_abi)"
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
