// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load and unload.
 */

#include <linux/module.h>

#include "msr_allowlist.h"
#include "msr_batch.h"
#include "msr_confine.h"
#include "msr_cpu.h"
#include "msr_node.h"
#include "msr_policy.h"
#include "msr_sample.h"
#include "msr_version.h"
#include "msr_visit.h"

static int __init msr_safe_init(void)
{
	int err;

	err = msr_confine_init() ?: msr_visit_init();
	if (err)
		return err;
	err = msr_policy_init();
	if (err)
		goto out_visit;
	err = msr_sample_init();
	if (err)
		goto out_policy;
	err = msr_cpu_init();
	if (err)
		goto out_sample;
	err = msr_batch_init();
	if (err)
		goto out_cpu;
	err = msr_allowlist_init();
	if (err)
		goto out_batch;
	err = msr_version_init();
	if (err)
		goto out_allowlist;
	err = msr_nodes_go_live();
	if (err)
		goto out_version;
	return 0;

out_version:
	msr_version_uninit();
out_allowlist:
	msr_allowlist_uninit();
out_batch:
	msr_batch_uninit();
out_cpu:
	msr_cpu_uninit();
out_sample:
	msr_sample_uninit();
out_policy:
	msr_policy_uninit();
out_visit:
	msr_visit_uninit();
	return err;
}
module_init(msr_safe_init);

static void __exit msr_safe_exit(void)
{
	msr_version_uninit();
	msr_allowlist_uninit();
	msr_batch_uninit();
	msr_cpu_uninit();
	msr_sample_uninit();
	msr_policy_uninit();
	msr_visit_uninit();
}
module_exit(msr_safe_exit);

MODULE_DESCRIPTION("Model-specific registers for users, by the administrator's allowlist");
MODULE_AUTHOR("The msr-safe developers");
MODULE_LICENSE("GPL");
