// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers and fields by name, from the tables of the lists.
 */

#include <sys/stat.h>

#include "../../lib/tables.h"
#include "unit.h"

static struct msr_safe_registers *registers;
static struct msr_safe_error error;

static void read_for(const char *processor)
{
	msr_safe_registers_free(registers);
	assert_int_equal(msr_safe_registers_read(&registers, "allowlists", processor, &error), 0);
}

static int forget(void **state)
{
	(void)state;
	msr_safe_registers_free(registers);
	registers = NULL;
	return 0;
}

static void assert_field(const char *name, uint32_t msr, unsigned int high, unsigned int low)
{
	struct msr_safe_register reg;

	assert_int_equal(msr_safe_registers_find(registers, name, &reg), 0);
	assert_int_equal(reg.msr, msr);
	assert_int_equal(reg.high, high);
	assert_int_equal(reg.low, low);
}

TEST(a_register_is_found_by_its_name, NULL, forget)
{
	struct msr_safe_register reg;

	read_for("06_8F");
	assert_field("PKG_POWER_LIMIT", 0x610, 63, 0);
	assert_field("pkg_power_limit", 0x610, 63, 0);
	assert_field("MSR_PKG_POWER_LIMIT", 0x610, 63, 0);
	assert_field("IA32_MPERF", 0xE7, 63, 0);
	assert_field("PMC7", 0xC8, 63, 0);
	assert_int_equal(msr_safe_registers_find(registers, "PKG_POWER_LIMIT", &reg), 0);
	assert_string_equal(reg.name, "PKG_POWER_LIMIT");
	assert_int_equal(reg.scope, MSR_SAFE_SCOPE_PACKAGE);
	assert_true(strlen(reg.what) > 0);
	assert_int_equal(msr_safe_registers_find(registers, "PERFEVTSEL3", &reg), 0);
	assert_string_equal(reg.name, "PERFEVTSEL3");
	assert_int_equal(reg.msr, 0x189);
	assert_int_equal(reg.scope, MSR_SAFE_SCOPE_THREAD);
}

TEST(a_name_means_the_register_of_the_processor, NULL, forget)
{
	struct msr_safe_register reg;

	read_for("06_57");
	assert_field("CORE_C6_RESIDENCY", 0x3FF, 63, 0);
	read_for("06_8F");
	assert_field("CORE_C6_RESIDENCY", 0x3FD, 63, 0);
	/* A register that only others have has its name all the same. */
	assert_field("PStateCtl", 0xC0010062, 63, 0);
	assert_int_equal(msr_safe_registers_find(registers, "PStateCtl", &reg), 0);
	assert_true(reg.foreign);
	assert_int_equal(msr_safe_registers_find(registers, "MPERF", &reg), 0);
	assert_false(reg.foreign);
	/* A processor that no table has */
	read_for("06_FF");
	assert_field("PKG_ENERGY_STATUS", 0x611, 63, 0);
}

TEST(a_field_is_found_behind_a_point, NULL, forget)
{
	struct msr_safe_register reg;

	read_for("06_55");
	assert_field("PKG_POWER_LIMIT.PL1", 0x610, 14, 0);
	assert_field("pkg_power_limit.pl2_enable", 0x610, 47, 47);
	assert_field("PKG_POWER_LIMIT.LOCK", 0x610, 63, 63);
	assert_field("PLATFORM_POWER_LIMIT.PL1_ENABLE", 0x65C, 15, 15);
	assert_field("PERFEVTSEL2.UMASK", 0x188, 15, 8);
	assert_int_equal(msr_safe_registers_find(registers, "PKG_POWER_LIMIT.PL2", &reg), 0);
	assert_string_equal(reg.name, "PKG_POWER_LIMIT.PL2");
	assert_int_equal(msr_safe_field_mask(&reg), 0x00007FFF00000000);
	/* On Sapphire Rapids it is laid out in another way. */
	read_for("06_8F");
	assert_field("PLATFORM_POWER_LIMIT.PL1_ENABLE", 0x65C, 17, 17);
	/* A register that only others have */
	assert_field("PStateCtl.COMMAND", 0xC0010062, 2, 0);
}

TEST(a_mask_has_the_bits_of_a_field, NULL, NULL)
{
	assert_int_equal(msr_safe_field_mask(&(struct msr_safe_register){ .high = 63 }),
			 UINT64_MAX);
	assert_int_equal(msr_safe_field_mask(&(struct msr_safe_register){ .low = 63, .high = 63 }),
			 UINT64_C(1) << 63);
	assert_int_equal(msr_safe_field_mask(&(struct msr_safe_register){ .low = 8, .high = 15 }),
			 0xFF00);
}

TEST(a_name_that_is_none_is_told, NULL, forget)
{
	static const char *const none[] = {
		"",	".",	"MSR_", "IA32_", "PKG_POWER_LIMI", "0x610", "PKG_POWER_LIMITS",
		".PL1", "PMC8", "PMC",	"PMC%"
	};
	static const char *const no_field[] = { "PKG_POWER_LIMIT.", "PKG_POWER_LIMIT.PL",
						"PKG_POWER_LIMIT.PL1.PL1", "MPERF.COUNT" };
	struct msr_safe_register reg;
	size_t i;

	read_for("06_8F");
	for (i = 0; i < ARRAY_SIZE(none); i++)
		assert_int_equal(msr_safe_registers_find(registers, none[i], &reg), -ENOENT);
	for (i = 0; i < ARRAY_SIZE(no_field); i++)
		assert_int_equal(msr_safe_registers_find(registers, no_field[i], &reg), -ENOKEY);
}

TEST(a_register_is_found_by_its_address, NULL, forget)
{
	struct msr_safe_register reg;

	read_for("06_8F");
	assert_int_equal(msr_safe_registers_at(registers, 0x611, &reg), 0);
	assert_string_equal(reg.name, "PKG_ENERGY_STATUS");
	assert_int_equal(msr_safe_registers_at(registers, 0xC4, &reg), 0);
	assert_string_equal(reg.name, "PMC3");
	assert_int_equal(msr_safe_registers_at(registers, 0xC0010062, &reg), 0);
	assert_string_equal(reg.name, "PStateCtl");
	assert_int_equal(msr_safe_registers_at(registers, 0x12345678, &reg), -ENOENT);
}

TEST(all_registers_of_a_processor_come_in_the_order_of_addresses, NULL, forget)
{
	struct msr_safe_register reg, at;
	uint32_t msr = 0, before = 0;
	unsigned int count = 0;

	read_for("06_8F");
	while (!msr_safe_registers_next(registers, &msr, &reg)) {
		assert_int_equal(reg.msr, msr);
		assert_false(reg.foreign);
		assert_true(!count || msr > before);
		assert_int_equal(msr_safe_registers_at(registers, msr, &at), 0);
		before = msr++;
		count++;
	}
	assert_in_range(count, 50, 300);
	msr = 0xC9; /* behind PMC7 */
	assert_int_equal(msr_safe_registers_next(registers, &msr, &reg), 0);
	assert_int_equal(msr, 0xCE);
}

TEST(fields_of_a_register_come_in_the_order_of_their_bits, NULL, forget)
{
	struct msr_safe_register reg;
	unsigned int nr, next = 0;

	read_for("06_8F");
	for (nr = 0; msr_safe_registers_field(registers, 0x610, nr, &reg) == 0; nr++) {
		assert_int_equal(reg.msr, 0x610);
		assert_in_range(reg.low, next, reg.high);
		next = reg.high + 1;
	}
	assert_int_equal(nr, 9);
	assert_int_equal(msr_safe_registers_field(registers, 0xE7, 0, &reg), -ENOENT);
	assert_int_equal(msr_safe_registers_field(registers, 0x12345678, 0, &reg), -ENOENT);
}

TEST(every_field_of_a_model_is_apart_from_the_others, NULL, NULL)
{
	const struct model *model;
	const struct reg *reg;
	struct tables tables;
	unsigned int fields = 0;

	assert_int_equal(msr_safe_tables_read(&tables, "allowlists", NULL), 0);
	for (model = tables.models; model < tables.models + tables.nr_models; model++) {
		for (reg = tables.regs; reg < tables.regs + tables.nr_regs; reg++) {
			const struct field *field = NULL;
			unsigned int next = 0;

			if (!msr_safe_model_has(model, reg->models))
				continue;
			while ((field = msr_safe_tables_field(&tables, model, reg, field))) {
				if (field->low < next)
					fail_msg("%s: %s.%s", model->key, reg->name, field->name);
				next = field->high + 1;
				fields++;
			}
		}
	}
	assert_true(fields > 1000);
	msr_safe_tables_free(&tables);
}

/* Each field is of a register that there is, for a model that has that register. */
TEST(no_field_is_for_nothing, NULL, NULL)
{
	const struct field *field;
	const struct model *model;
	const struct reg *reg;
	struct tables tables;

	assert_int_equal(msr_safe_tables_read(&tables, "allowlists", NULL), 0);
	for (field = tables.fields; field < tables.fields + tables.nr_fields; field++) {
		bool used = false;

		for (reg = tables.regs; reg < tables.regs + tables.nr_regs && !used; reg++)
			for (model = tables.models; model < tables.models + tables.nr_models;
			     model++)
				used |= strcmp(reg->name, field->reg) == 0 &&
					msr_safe_model_has(model, reg->models) &&
					msr_safe_model_has(model, field->models);
		if (!used)
			fail_msg("%s.%s", field->reg, field->name);
		assert_int_equal(strspn(field->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"),
				 strlen(field->name));
	}
	msr_safe_tables_free(&tables);
}

static void write_table(const char *name, const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "build/unit/tables-test/tables/%s", name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_wrong(const char *text)
{
	assert_int_equal(msr_safe_registers_read(&registers, "build/unit/tables-test", "06_8F",
						 &error),
			 -EPROTO);
	assert_null(registers);
	assert_non_null(strstr(error.text, text));
}

TEST(a_table_that_is_wrong_is_told_by_its_line, NULL, forget)
{
	mkdir("build/unit/tables-test", 0755);
	mkdir("build/unit/tables-test/tables", 0755);
	write_table("models", "# x\n06_8F  intel spr  Sapphire Rapids\n");
	write_table("registers", "0x610  POWER  intel  package  0  -  state  -  SDM  power\n");
	write_table("fields", "POWER  intel  14:0  PL1  SDM  limit\n");
	assert_int_equal(msr_safe_registers_read(&registers, "build/unit/tables-test", "06_8F",
						 &error),
			 0);
	assert_field("POWER.PL1", 0x610, 14, 0);
	forget(NULL);
	write_table("fields", "POWER  intel  14:0  PL1  SDM  limit\nPOWER  intel  14  PL1\n");
	assert_wrong("tables/fields: line 2: not 6 columns");
	write_table("fields", "POWER  intel  14:15  PL1  SDM  limit\n");
	assert_wrong("tables/fields: line 1: not bits");
	write_table("fields", "POWER  intel  64  PL1  SDM  limit\n");
	assert_wrong("tables/fields: line 1: not bits");
	write_table("fields", "POWER  intel  4x  PL1  SDM  limit\n");
	assert_wrong("tables/fields: line 1: not bits");
	write_table("registers",
		    "0x610..0x600  POWER  intel  package  0  -  state  -  SDM  power\n");
	assert_wrong("tables/registers: line 1: not an address");
	write_table("models", "06-8F  intel spr  Sapphire Rapids\n");
	assert_wrong("tables/models: line 1: not a family and a model");
}

TEST(tables_that_are_not_there_are_told, NULL, NULL)
{
	assert_int_equal(msr_safe_registers_read(&registers, "/nonexistent", NULL, &error),
			 -ENOENT);
	assert_null(registers);
	assert_string_equal(error.text, "/nonexistent/tables/models: No such file or directory");
	assert_int_equal(msr_safe_registers_read(&registers, "/nonexistent", NULL, NULL), -ENOENT);
	assert_int_equal(msr_safe_registers_read(&registers, "allowlists", "Xeon", &error),
			 -EINVAL);
	assert_null(registers);
}
