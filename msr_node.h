/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device nodes: a major number, a class, and the nodes below /dev.
 */
#ifndef MSR_NODE_H
#define MSR_NODE_H

#include <linux/fs.h>
#include <linux/types.h>

struct cdev;
struct class;

#define MSR_NODE_PATHS 3

/**
 * struct msr_node - one kind of device
 * @name:	class, which udev rules match as SUBSYSTEM; the name in /proc/devices
 * @mode:	permissions that its nodes are created with
 * @fops:	its operations
 * @paths:	nodes created for minors 0, 1, …; below /dev, with ! for each slash.
 *		None for a kind whose nodes come and go with msr_node_add().
 * @major:	major number in use, once msr_node_init() has succeeded
 * @class:	its class, likewise
 * @cdev:	what makes it possible to open it, once msr_nodes_go_live() has succeeded
 * @next:	another kind
 */
struct msr_node {
	const char *name;
	umode_t mode;
	const struct file_operations *fops;
	const char *paths[MSR_NODE_PATHS];
	unsigned int major;
	struct class *class;
	struct cdev *cdev;
	struct msr_node *next;
};

/* Initialises a struct msr_param that is a major number; 0 is a dynamic one. */
#define MSR_MAJOR                           \
	{                                   \
		.max = CHRDEV_MAJOR_MAX - 1 \
	}

int msr_node_init(struct msr_node *node, unsigned int major);
void msr_node_uninit(struct msr_node *node);
int msr_node_add(struct msr_node *node, unsigned int minor, const char *path);
void msr_node_del(struct msr_node *node, unsigned int minor);

int msr_nodes_go_live(void);

#endif /* MSR_NODE_H */
