// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watts from energy counters, as examples/power.c shows them.
 */

#include "unit.h"
#include "../../examples/energy.h"

#define UNIT_14 (1.0 / 16384)
#define UNIT_16 (1.0 / 65536)

#define assert_near(value, expected) assert_float_equal(value, expected, 0.001)

TEST(the_unit_is_in_bits_12_to_8, NULL, NULL)
{
	assert_true(energy_unit(0xA0E03) == UNIT_14);
	assert_true(energy_unit(0xA1003) == UNIT_16);
	assert_true(energy_unit(0xFFFFFFFFFFFFE0FF) == 1);
	assert_true(energy_unit(0x1F00) == 1.0 / 2147483648);
}

TEST(a_register_of_0_tells_no_unit, NULL, NULL)
{
	double watts;

	assert_true(energy_unit(0) == 0);
	assert_false(mean_watts(0, 0, energy_unit(0), 1, &watts));
}

TEST(power_is_energy_by_time, NULL, NULL)
{
	double watts;

	assert_true(mean_watts(1000, 1000 + 16384 * 100, UNIT_14, 1, &watts));
	assert_near(watts, 100);
	assert_true(mean_watts(1000, 1000 + 65536 * 100, UNIT_16, 4, &watts));
	assert_near(watts, 25);
	assert_true(mean_watts(5, 5 + 65536, UNIT_16, 0.01, &watts));
	assert_near(watts, 100);
	assert_true(mean_watts(7, 7, UNIT_14, 1, &watts));
	assert_near(watts, 0);
}

TEST(a_counter_that_began_again_is_no_matter, NULL, NULL)
{
	double watts;

	assert_true(mean_watts(0xFFFFFFFF, 16383, UNIT_14, 1, &watts));
	assert_near(watts, 1);
	assert_true(mean_watts(0xFFFFFFFF - 16384 * 60 + 1, 16384 * 40, UNIT_14, 1, &watts));
	assert_near(watts, 100);
	/* All the way round but for one count */
	assert_true(mean_watts(0x80000000, 0x7FFFFFFF, UNIT_14, 131, &watts));
	assert_near(watts, 262144.0 / 131);
}

TEST(the_upper_half_of_the_register_does_not_count, NULL, NULL)
{
	double watts;

	assert_true(mean_watts(0x5A5A5A5A00000000, 16384, UNIT_14, 1, &watts));
	assert_near(watts, 1);
	assert_true(mean_watts(0xFFFFFFFF, 0x100000000 + 16383, UNIT_14, 1, &watts));
	assert_near(watts, 1);
}

TEST(what_could_have_gone_round_unnoticed_is_not_told, NULL, NULL)
{
	double watts = -1;

	assert_near(longest_interval(UNIT_14), 131.072);
	assert_near(longest_interval(UNIT_16), 32.768);
	assert_true(mean_watts(0, 1, UNIT_16, 32.7, &watts));
	watts = -1;
	assert_false(mean_watts(0, 1, UNIT_16, 32.8, &watts));
	assert_false(mean_watts(0, 1, UNIT_16, 0, &watts));
	assert_false(mean_watts(0, 1, UNIT_16, -1, &watts));
	assert_true(watts == -1);
	/* In the longest time, not even the most power brings the counter all the way round. */
	assert_true(MOST_WATTS * longest_interval(UNIT_14) / UNIT_14 <= 4294967296.0);
}
