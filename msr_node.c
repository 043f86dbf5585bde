// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device nodes: a major number, a class, and the nodes below /dev, made and
 * taken away together.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

#include "msr_compat.h"
#include "msr_node.h"

/* Every minor is claimed, so that a major in use by anything else is EBUSY. */
#define ALL_MINORS (MINORMASK + 1)

static int set_major(const char *text, const struct kernel_param *param)
{
	unsigned int major;

	if (!text || kstrtouint(text, 0, &major) || major >= CHRDEV_MAJOR_MAX)
		return -EINVAL;
	*(unsigned int *)param->arg = major;
	return 0;
}

const struct kernel_param_ops msr_major_ops = {
	.set = set_major,
	.get = param_get_uint,
};

/* NULL leaves the path to the device's name, in which ! stands for a slash. */
static char *node_mode(msr_devnode_device *dev, umode_t *mode)
{
	const struct msr_node *node = dev_get_drvdata(dev);

	if (mode)
		*mode = node->mode;
	return NULL;
}

/**
 * msr_node_add() - make a node
 * @node:	the kind it is of
 * @minor:	its minor number
 * @path:	where it stands below /dev, with ! for each slash
 *
 * Context: may sleep. Return: 0 or a negative errno.
 */
int msr_node_add(struct msr_node *node, unsigned int minor, const char *path)
{
	struct device *device =
		device_create(node->class, NULL, MKDEV(node->major, minor), node, "%s", path);

	return PTR_ERR_OR_ZERO(device);
}

/**
 * msr_node_del() - take a node away; nothing happens if there is none
 * @node:	the kind it is of
 * @minor:	its minor number
 *
 * Context: may sleep.
 */
void msr_node_del(struct msr_node *node, unsigned int minor)
{
	device_destroy(node->class, MKDEV(node->major, minor));
}

/**
 * msr_node_uninit() - undo msr_node_init()
 * @node:	what to take away; nodes made by msr_node_add() are gone already
 *
 * Context: may sleep.
 */
void msr_node_uninit(struct msr_node *node)
{
	unsigned int minor;

	for (minor = 0; minor < MSR_NODE_PATHS && node->paths[minor]; minor++)
		msr_node_del(node, minor);
	class_destroy(node->class);
	__unregister_chrdev(node->major, 0, ALL_MINORS, node->name);
}

/**
 * msr_node_init() - claim a major number, make the class and the nodes
 * @node:	what to make; @node->name, mode, fops and paths are set
 * @major:	major number to claim, 1 to 511; 0 takes a free one
 *
 * Context: may sleep. Return: 0; -EBUSY for a major that is taken, or another
 * negative errno; then nothing is left behind.
 */
int msr_node_init(struct msr_node *node, unsigned int major)
{
	unsigned int minor;
	int err;

	err = __register_chrdev(major, 0, ALL_MINORS, node->name, node->fops);
	if (err < 0) {
		pr_err("%s: cannot have major number %u: %pe\n", node->name, major, ERR_PTR(err));
		return err;
	}
	node->major = major ?: err;

	node->class = msr_class_create(node->name);
	if (IS_ERR(node->class)) {
		err = PTR_ERR(node->class);
		goto out_chrdev;
	}
	node->class->devnode = node_mode;

	for (minor = 0; minor < MSR_NODE_PATHS && node->paths[minor]; minor++) {
		err = msr_node_add(node, minor, node->paths[minor]);
		if (err)
			goto out_nodes;
	}
	return 0;

out_nodes:
	while (minor--)
		msr_node_del(node, minor);
	class_destroy(node->class);
out_chrdev:
	__unregister_chrdev(node->major, 0, ALL_MINORS, node->name);
	return err;
}
