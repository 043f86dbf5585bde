/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The batch device.
 */
#ifndef MSR_BATCH_H
#define MSR_BATCH_H

int msr_batch_init(void);
void msr_batch_uninit(void);

#endif /* MSR_BATCH_H */
