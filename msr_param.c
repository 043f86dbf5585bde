// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parameters of the module that are numbers within bounds.
 */

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>

#include "msr_param.h"

static int set_param(const char *text, const struct kernel_param *kernel_param)
{
	struct msr_param *param = kernel_param->arg;
	unsigned int value;

	if (!text || kstrtouint(text, 0, &value) || value < param->min || value > param->max)
		return -EINVAL;
	WRITE_ONCE(param->value, value);
	return 0;
}

static int get_param(char *buf, const struct kernel_param *kernel_param)
{
	const struct msr_param *param = kernel_param->arg;

	return scnprintf(buf, PAGE_SIZE, "%u\n", READ_ONCE(param->value));
}

/* A zero in front does not make a number octal. */
static int set_decimal(const char *text, const struct kernel_param *kernel_param)
{
	return text ? kstrtouint(text, 10, kernel_param->arg) : -EINVAL;
}

const struct kernel_param_ops param_ops_msr_decimal = {
	.set = set_decimal,
	.get = param_get_uint,
};

const struct kernel_param_ops msr_param_ops = {
	.set = set_param,
	.get = get_param,
};
