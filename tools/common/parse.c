// SPDX-License-Identifier: GPL-2.0-only

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "say.h"

bool parse_number(const char *text, double min, double max, double *value)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	return !errno && end != text && !*end && *value >= min && *value <= max;
}

bool parse_integer(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && isdigit((unsigned char)*text) && !*end && *value <= max;
}

int read_registers(struct msr_safe_registers **registers)
{
	struct msr_safe_error error;

	if (!msr_safe_registers_read(registers, getenv("MSR_ALLOWLISTS"), NULL, &error))
		return 0;
	say_error(&error);
	warnx("registers have no names without the tables: use addresses, or set MSR_ALLOWLISTS to the "
	      "directory of the lists");
	return error.code;
}

int find_register(struct msr_safe_registers **registers, const char *word,
		  struct msr_safe_register *reg)
{
	uint64_t msr;
	int ret;

	if (isdigit((unsigned char)*word)) {
		if (!parse_integer(word, UINT32_MAX, &msr)) {
			warnx("not an address of a register: %s", word);
			return -EINVAL;
		}
		*reg = (struct msr_safe_register){ .msr = msr, .high = 63, .what = "" };
		snprintf(reg->name, sizeof(reg->name), "%s", word);
		return 0;
	}
	if (!*registers) {
		ret = read_registers(registers);
		if (ret)
			return ret;
	}
	ret = msr_safe_registers_find(*registers, word, reg);
	if (ret == -ENOENT)
		warnx("no register has this name: %s", word);
	else if (ret)
		warnx("the register has no such field: %s", word);
	return ret ? -EINVAL : 0;
}
