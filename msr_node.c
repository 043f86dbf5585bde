// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device nodes: a major number, a class, and the nodes below /dev, created and
 * removed together.
 *
 * A module whose load fails is freed, even if a process has a file of it open. So loading
 * first does everything that can fail, and no node can be opened until
 * msr_nodes_go_live(). udev hears of the nodes when they can be opened.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cdev.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/printk.h>

#include "msr_compat.h"
#include "msr_node.h"

/* Every minor is claimed, so that a major in use by anything else is EBUSY. */
#define ALL_MINORS (MINORMASK + 1)

/* Every kind, from msr_node_init() to msr_node_uninit(); loading and unloading alone change it. */
static struct msr_node *nodes;

static bool live;

/* NULL leaves the path to the device's name, in which ! stands for a slash. */
static char *node_mode(msr_devnode_device *dev, umode_t *mode)
{
	const struct msr_node *node = dev_get_drvdata(dev);

	if (mode)
		*mode = node->mode;
	return NULL;
}

/* An error drops the event. */
static int node_uevent(msr_uevent_device *dev, struct kobj_uevent_env *env)
{
	return READ_ONCE(live) ? 0 : -EAGAIN;
}

/* Opens any node, once the module is live: the file gets the operations of its kind. */
static int node_open(struct inode *inode, struct file *file)
{
	const struct file_operations *fops;
	const struct msr_node *node;

	if (!smp_load_acquire(&live)) /* pairs with msr_nodes_go_live() */
		return -ENXIO;

	for (node = nodes; node->major != imajor(inode);)
		node = node->next;
	fops = fops_get(node->fops);
	if (!fops)
		return -ENXIO;
	replace_fops(file, fops);
	return fops->open ? fops->open(inode, file) : 0;
}

static const struct file_operations node_fops = {
	.owner = THIS_MODULE,
	.open = node_open,
};

static int make_openable(struct msr_node *node)
{
	struct cdev *cdev = cdev_alloc();
	int err;

	if (!cdev)
		return -ENOMEM;
	cdev->owner = THIS_MODULE;
	cdev->ops = &node_fops;
	err = cdev_add(cdev, MKDEV(node->major, 0), ALL_MINORS);
	if (err) {
		kobject_put(&cdev->kobj);
		return err;
	}
	node->cdev = cdev;
	return 0;
}

static void make_unopenable(struct msr_node *node)
{
	if (node->cdev)
		cdev_del(node->cdev);
	node->cdev = NULL;
}

static int announce(struct device *dev, void *data)
{
	kobject_uevent(&dev->kobj, KOBJ_ADD);
	return 0;
}

/**
 * msr_nodes_go_live() - let all nodes be opened; the last step of loading
 *
 * Context: may sleep. Return: 0 or -ENOMEM, and then nothing uses the module.
 */
int __init msr_nodes_go_live(void)
{
	struct msr_node *node;
	int err = 0;

	might_sleep();
	for (node = nodes; node && !err; node = node->next)
		err = make_openable(node);
	if (err) {
		for (node = nodes; node; node = node->next)
			make_unopenable(node);
		while (module_refcount(THIS_MODULE) > 1) /* an open that is being refused */
			usleep_range(1000, 2000);
		return err;
	}

	smp_store_release(&live, true); /* pairs with node_open() */
	for (node = nodes; node; node = node->next)
		class_for_each_device(node->class, NULL, NULL, announce);
	return 0;
}

/**
 * msr_node_add() - create a node
 * @node:	the kind it is of
 * @minor:	its minor number
 * @path:	its path below /dev, with ! for each slash
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
 * msr_node_del() - remove a node; nothing happens if there is none
 * @node:	the kind it is of
 * @minor:	its minor number
 *
 * Context: may sleep.
 */
void msr_node_del(struct msr_node *node, unsigned int minor)
{
	might_sleep();
	device_destroy(node->class, MKDEV(node->major, minor));
}

static int claim_major(struct msr_node *node, unsigned int major)
{
	dev_t first = MKDEV(major, 0);
	int err;

	if (major)
		err = register_chrdev_region(first, ALL_MINORS, node->name);
	else
		err = alloc_chrdev_region(&first, 0, ALL_MINORS, node->name);
	if (err)
		pr_err("%s: major number %u is not available: %pe\n", node->name, major,
		       ERR_PTR(err));
	node->major = MAJOR(first);
	return err;
}

/* Removes the first @count nodes of those that @node->paths names. */
static void del_paths(struct msr_node *node, unsigned int count)
{
	while (count--)
		msr_node_del(node, count);
}

static int add_paths(struct msr_node *node)
{
	unsigned int minor;
	int err;

	for (minor = 0; minor < MSR_NODE_PATHS && node->paths[minor]; minor++) {
		err = msr_node_add(node, minor, node->paths[minor]);
		if (err) {
			del_paths(node, minor);
			return err;
		}
	}
	return 0;
}

/**
 * msr_node_init() - claim a major number, create the class and the nodes
 * @node:	what to create; @node->name, mode, fops and paths are set
 * @major:	major number to claim, 1 to 511; 0 takes a free one
 *
 * The nodes cannot be opened yet.
 *
 * Context: may sleep. Return: 0; -EBUSY for a major that is taken, or another
 * negative errno; then nothing is left behind.
 */
int __init msr_node_init(struct msr_node *node, unsigned int major)
{
	int err;

	err = claim_major(node, major);
	if (err)
		return err;

	node->class = msr_class_create(node->name);
	if (IS_ERR(node->class)) {
		err = PTR_ERR(node->class);
		goto out_major;
	}
	node->class->devnode = node_mode;
	node->class->dev_uevent = node_uevent;

	err = add_paths(node);
	if (err)
		goto out_class;

	node->next = nodes;
	nodes = node;
	return 0;

out_class:
	class_destroy(node->class);
out_major:
	unregister_chrdev_region(MKDEV(node->major, 0), ALL_MINORS);
	return err;
}

/**
 * msr_node_uninit() - undo msr_node_init()
 * @node:	what to remove, the latest kind that msr_node_init() has created;
 *		nodes of msr_node_add() are gone already
 *
 * Context: may sleep; no file of it is open.
 */
void msr_node_uninit(struct msr_node *node)
{
	might_sleep();
	nodes = node->next;
	make_unopenable(node);
	del_paths(node, MSR_NODE_PATHS);
	class_destroy(node->class);
	unregister_chrdev_region(MKDEV(node->major, 0), ALL_MINORS);
}
