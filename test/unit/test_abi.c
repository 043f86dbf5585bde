// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs have built in of msr_safe.h stays as it is. The module is compiled with the same
 * header for the same ABI, so what holds here holds there.
 */

#include "unit.h"
#include "../../msr_safe.h"

#define NOTHING(...)
#define SIZE_OF(structure, member) sizeof(((struct structure *)NULL)->member)

TEST(members_are_where_programs_have_them, NULL, NULL)
{
#define MEMBER(structure, member, offset, size) \
	assert_int_equal(offsetof(struct structure, member), offset);
#define ARRAY MEMBER
#define HOLE NOTHING
#define STRUCT NOTHING
#define NUMBER NOTHING
#include "abi.h"
}

TEST(members_and_structures_have_the_size_that_programs_know, NULL, NULL)
{
#define MEMBER(structure, member, offset, size) assert_int_equal(SIZE_OF(structure, member), size);
#define ARRAY(structure, member, offset, size) MEMBER(structure, member[0], offset, size)
#define HOLE NOTHING
#define STRUCT(structure, size) assert_int_equal(sizeof(struct structure), size);
#define NUMBER NOTHING
#include "abi.h"
}

/* So abi.h leaves no member out, and no structure has undocumented padding. */
TEST(members_follow_each_other_without_a_hole_that_is_not_documented, NULL, NULL)
{
	size_t end = 0;

#define MEMBER(structure, member, offset, size) \
	assert_int_equal(end, offset);          \
	end += SIZE_OF(structure, member);
#define ARRAY(structure, member, offset, size) assert_int_equal(end, offset);
#define HOLE(structure, offset, size)  \
	assert_int_equal(end, offset); \
	end += (size);
#define STRUCT(structure, size)                          \
	assert_int_equal(end, sizeof(struct structure)); \
	end = 0;
#define NUMBER NOTHING
#include "abi.h"
}

TEST(commands_flags_and_limits_are_the_numbers_that_programs_have, NULL, NULL)
{
#define MEMBER NOTHING
#define ARRAY NOTHING
#define HOLE NOTHING
#define STRUCT NOTHING
#define NUMBER(name, value) assert_int_equal(name, value);
#include "abi.h"
}

TEST(errors_of_operations_can_be_negative, NULL, NULL)
{
	assert_true((struct msr_batch_op){ .err = -1 }.err < 0);
	assert_true((struct msr_op){ .err = -1 }.err < 0);
}
