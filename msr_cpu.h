/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The per-CPU devices, /dev/cpu/N/msr_safe.
 */
#ifndef MSR_CPU_H
#define MSR_CPU_H

int msr_cpu_init(void);
void msr_cpu_uninit(void);

#endif /* MSR_CPU_H */
