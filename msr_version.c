// SPDX-License-Identifier: GPL-2.0-only
/*
 * The version device: /dev/cpu/msr_safe_version, and /dev/cpu/msr_version,
 * which is the same device under its other documented name.
 */

#include <linux/fs.h>
#include <linux/module.h>

#include "msr_node.h"
#include "msr_param.h"
#include "msr_version.h"

/* A packager's label may come from the command line: -DVERSION=\"2.0.0-site\" */
#ifndef VERSION
#define VERSION MSR_SAFE_VERSION_STR
#endif

MODULE_VERSION(VERSION);

static const char version_text[] = VERSION "\n";

static struct msr_param mdev_msr_version = MSR_MAJOR;
module_param_cb(mdev_msr_version, &msr_param_ops, &mdev_msr_version, 0444);
MODULE_PARM_DESC(mdev_msr_version, "Major number of the version device (0: dynamic)");

static ssize_t version_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	return simple_read_from_buffer(buf, count, ppos, version_text, sizeof(version_text) - 1);
}

static const struct file_operations version_fops = {
	.owner = THIS_MODULE,
	.llseek = no_seek_end_llseek,
	.read = version_read,
};

static struct msr_node version_node = {
	.name = "msr_safe_version",
	.mode = 0440, /* an open file keeps the module loaded: not for every user */
	.fops = &version_fops,
	.paths = { "cpu!msr_safe_version", "cpu!msr_version" },
};

/**
 * msr_version_init() - create the version device
 *
 * Context: may sleep. Return: 0, or a negative errno with nothing left behind.
 */
int __init msr_version_init(void)
{
	return msr_node_init(&version_node, mdev_msr_version.value);
}

/** msr_version_uninit() - remove the version device. Context: may sleep. */
void msr_version_uninit(void)
{
	msr_node_uninit(&version_node);
}
