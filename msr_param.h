/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parameters of the module that are numbers within bounds.
 */
#ifndef MSR_PARAM_H
#define MSR_PARAM_H

#include <linux/moduleparam.h>

/**
 * struct msr_param - a number that module_param_cb() makes a parameter with &msr_param_ops
 * @value:	the number
 * @min:	the least that it can be set to; less is EINVAL
 * @max:	the most, likewise
 */
struct msr_param {
	unsigned int value;
	unsigned int min;
	unsigned int max;
};

extern const struct kernel_param_ops msr_param_ops;

/* A type for module_param_array(): an unsigned int, in decimal whatever it begins with */
extern const struct kernel_param_ops param_ops_msr_decimal;
#define param_check_msr_decimal param_check_uint

#endif /* MSR_PARAM_H */
