/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device nodes: whether one is the module's, and what to do about one that fails.
 */
#ifndef LIB_NODE_H
#define LIB_NODE_H

/*
 * Whether a descriptor is a character device with the major that the kernel has for the
 * devices of this name, as msr_batch. Returns 0, or -1 with errno ENODEV.
 */
int node_check(int fd, const char *name);

/* Prints that a device failed with errno, and what to do next. */
void node_warn(const char *path);

#endif /* LIB_NODE_H */
