/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CPUs that a job has on this node.
 */
#ifndef MSRSAVE_JOB_CPUS_H
#define MSRSAVE_JOB_CPUS_H

#include <stdint.h>

/*
 * Returns the list, as msrsave takes it, to be freed; NULL with *@why set if Slurm or the
 * kernel does not say.
 */
char *job_cpus(uint32_t job, const char **why);

#endif /* MSRSAVE_JOB_CPUS_H */
