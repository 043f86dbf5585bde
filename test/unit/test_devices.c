// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs' side of the devices: reading the list in force, and batches of any
 * length, with the module's answers made up here.
 */

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "unit.h"
#include "../../msr_version.h"
#include "../../lib/libmsrsafe.h"

/* What reading the allowlist device gives */
static const char *content;
static FILE *failing;

/* The node of it, and what /proc/devices says; most streams made up here have no descriptor. */
static mode_t node_mode;
static dev_t node_number;
static gid_t node_group;
static const char majors[] = "Character devices:\n  1 mem\n240 msr_batch\n241 msr_allowlist\n"
			     "242 msr_safe\n\nBlock devices:\n  7 loop\n";

int __wrap_fstat(int fd, struct stat *node);
int __wrap_fstat(int fd, struct stat *node)
{
	(void)fd;
	*node = (struct stat){ .st_mode = node_mode, .st_rdev = node_number };
	return 0;
}

static void be_a_device(void)
{
	node_mode = S_IFCHR | 0600;
	node_number = makedev(241, 0);
}

/* What open() gives, and what it was called with */
static struct {
	int error;
	char path[64];
	int flags;
	unsigned int closed;
} node_open;

int __wrap_open(const char *path, int flags);
int __wrap_open(const char *path, int flags)
{
	snprintf(node_open.path, sizeof(node_open.path), "%s", path);
	node_open.flags = flags;
	errno = node_open.error;
	return node_open.error ? -1 : 7;
}

int __wrap_close(int fd);
int __wrap_close(int fd)
{
	assert_int_equal(fd, 7);
	node_open.closed++;
	return 0;
}

int __wrap_stat(const char *path, struct stat *node);
int __wrap_stat(const char *path, struct stat *node)
{
	(void)path;
	*node = (struct stat){ .st_gid = node_group };
	return 0;
}

/* A register, as the node of a CPU reads and writes it */
static uint64_t held;
static int access_error;
static ssize_t access_size;

ssize_t __wrap_pread(int fd, void *to, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t at)
{
	assert_int_equal(fd, 7);
	assert_int_equal(size, 8);
	assert_int_equal(at, 0xC0000103);
	errno = access_error;
	if (access_error)
		return -1;
	memcpy(to, &held, sizeof(held));
	return access_size;
}

ssize_t __wrap_pwrite(int fd, const void *from, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *from, size_t size, off_t at)
{
	assert_int_equal(fd, 7);
	assert_int_equal(size, 8);
	assert_int_equal(at, 0xC0000103);
	errno = access_error;
	if (access_error)
		return -1;
	memcpy(&held, from, sizeof(held));
	return access_size;
}

FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
	(void)mode;
	if (strcmp(path, "/proc/devices") == 0)
		return fmemopen((char *)majors, strlen(majors), "r");
	assert_string_equal(path, "/dev/cpu/msr_allowlist");
	if (failing)
		return failing;
	if (!content) {
		errno = EACCES;
		return NULL;
	}
	return fmemopen((char *)content, strlen(content), "r");
}

/* A module that takes so many operations in one call, and of which call N fails */
static struct {
	size_t most;
	unsigned int calls, failing_call;
	int failure; /* errno of a call that carries out nothing */
	int op_error; /* err of an operation on register 0xBAD */
} module;

int __wrap_ioctl(int fd, unsigned long request, struct msr_batch_array *batch);
static int play_ops(const struct msr_ops *head)
{
	struct msr_op *ops = (struct msr_op *)(uintptr_t)head->ops;
	uint32_t i;

	assert_int_equal(head->size, sizeof(*head));
	assert_int_equal(head->op_size, sizeof(*ops));
	assert_int_equal(head->flags | head->slots | head->wake | head->map_len, 0);
	assert_in_range(head->count, 1, MSR_BATCH_MAX_OPS);
	if (++module.calls == module.failing_call) {
		errno = module.failure;
		return -1;
	}
	for (i = 0; i < head->count; i++)
		ops[i].data++;
	return 1; /* one has failed, say */
}

int __wrap_ioctl(int fd, unsigned long request, struct msr_batch_array *batch)
{
	int first = 0;
	uint32_t i;

	assert_int_equal(fd, 7);
	if (request == MSR_IOC_OPS)
		return play_ops((const void *)batch);
	assert_int_equal(request, X86_IOC_MSR_BATCH);
	assert_int_equal(batch->version, MSR_SAFE_VERSION_u32);
	assert_int_not_equal(batch->numops, 0);
	if (++module.calls == module.failing_call || batch->numops > module.most) {
		errno = batch->numops > module.most ? E2BIG : module.failure;
		return -1;
	}
	for (i = 0; i < batch->numops; i++) {
		batch->ops[i].err = batch->ops[i].msr == 0xBAD ? module.op_error : 0;
		batch->ops[i].msrdata++;
		if (!first)
			first = -batch->ops[i].err;
	}
	errno = first;
	return first ? -1 : 0;
}

static int reset(void **state)
{
	(void)state;
	memset(&module, 0, sizeof(module));
	memset(&node_open, 0, sizeof(node_open));
	access_error = 0;
	module.most = MSR_BATCH_MAX_OPS;
	return 0;
}

TEST(what_is_no_device_of_the_module_is_no_list, NULL, NULL)
{
	struct msr_safe_allowlist list;
	struct msr_safe_error error;

	content = "0x00000010 0x0000000000000000\n";
	be_a_device();
	node_mode = S_IFREG | 0644;
	assert_int_equal(msr_safe_allowlist_read(&list, NULL, &error), -ENODEV);
	assert_int_equal(list.count, 0);
	be_a_device();
	node_number = makedev(240, 0); /* of its batch device */
	assert_int_equal(msr_safe_allowlist_read(&list, NULL, &error), -ENODEV);
	be_a_device();
	assert_int_equal(msr_safe_allowlist_read(&list, NULL, &error), 0);
	msr_safe_allowlist_free(&list);
}

TEST(the_list_in_force_is_read, NULL, NULL)
{
	struct msr_safe_allowlist list;
	struct msr_safe_error error;

	be_a_device();
	content = "# MSR      Write mask\n"
		  "0x00000010 0x0000000000000000\n"
		  "0xC0000103 0xFEDCBA9876543210\n"
		  "0x00000199 0x000000000000FFFF\n";
	assert_int_equal(msr_safe_allowlist_read(&list, NULL, &error), 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.entries[0].msr, 0x10);
	assert_int_equal(list.entries[0].wmask, 0);
	assert_int_equal(list.entries[1].msr, 0xC0000103);
	assert_int_equal(list.entries[1].wmask, 0xFEDCBA9876543210);
	assert_ptr_equal(msr_safe_allowlist_find(&list, 0x199), &list.entries[2]);
	assert_null(msr_safe_allowlist_find(&list, 0x11));
	msr_safe_allowlist_free(&list);
	assert_int_equal(list.count, 0);

	content = "# MSR      Write mask\n";
	assert_int_equal(msr_safe_allowlist_read(&list, NULL, &error), 0);
	assert_int_equal(list.count, 0);
}

/* A device that gives one line, and then fails */
static ssize_t one_line(void *cookie, char *buf, size_t size)
{
	static const char line[] = "0x00000010 0x0000000000000000\n";
	int *turn = cookie;

	if ((*turn)++ > 0) {
		errno = EIO;
		return -1;
	}
	assert_true(size >= strlen(line));
	memcpy(buf, line, strlen(line));
	return strlen(line);
}

TEST(a_list_that_cannot_be_read_to_its_end_is_an_error, NULL, NULL)
{
	struct msr_safe_allowlist list;
	struct msr_safe_error error;
	int turn = 0;

	be_a_device();
	failing = fopencookie(&turn, "r", (cookie_io_functions_t){ .read = one_line });
	assert_int_equal(msr_safe_allowlist_read(&list, NULL, &error), -EIO);
	assert_int_equal(list.count, 0);
	failing = NULL;
}

TEST(a_list_that_cannot_be_read_is_an_error, NULL, NULL)
{
	static const char *const strange[] = {
		"0x00000010\n",
		"0x00000010 0x0\n",
		"0x10 0x0000000000000000\n",
		"\n",
		"0x00000010 0x0000000000000000",
		"0x00000010 0x0000000000000000 \n",
		"0x00000010  0x0000000000000000\n",
		"0x0000001G 0x0000000000000000\n",
		"0x00000010 0x0000000000000000\n0x00000011 0x00000000\n",
	};
	struct msr_safe_allowlist list;
	struct msr_safe_error error;
	size_t i;

	be_a_device();
	for (i = 0; i < ARRAY_SIZE(strange); i++) {
		content = strange[i];
		assert_int_equal(msr_safe_allowlist_read(&list, NULL, &error), -EPROTO);
		assert_int_equal(error.code, -EPROTO);
		assert_non_null(strstr(error.text, "/dev/cpu/msr_allowlist: "));
		assert_int_equal(list.count, 0);
		assert_null(list.entries);
	}
	content = NULL;
	assert_int_equal(msr_safe_allowlist_read(&list, NULL, &error), -EACCES);
	assert_non_null(strstr(error.text, "/dev/cpu/msr_allowlist: Permission denied\n"));
	assert_int_equal(msr_safe_allowlist_read(&list, NULL, NULL), -EACCES);
}

static struct msr_batch_op *make_ops(size_t count)
{
	struct msr_batch_op *ops = calloc(count, sizeof(*ops));
	size_t i;

	assert_non_null(ops);
	for (i = 0; i < count; i++)
		ops[i].msrdata = i;
	return ops;
}

static void assert_run_once(const struct msr_batch_op *ops, size_t from, size_t to)
{
	for (; from < to; from++) {
		assert_int_equal(ops[from].err, 0);
		assert_int_equal(ops[from].msrdata, from + 1);
	}
}

TEST(a_batch_is_as_few_calls_as_can_be, reset, NULL)
{
	static const struct {
		size_t count;
		unsigned int calls;
	} cases[] = {
		{ 0, 0 },
		{ 1, 1 },
		{ 76800, 1 },
		{ MSR_BATCH_MAX_OPS, 1 },
		{ MSR_BATCH_MAX_OPS + 1, 2 },
		{ 300000, 3 },
	};
	struct msr_batch_op *ops;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		reset(NULL);
		ops = make_ops(cases[i].count);
		assert_int_equal(msr_safe_batch(7, ops, cases[i].count), 0);
		assert_int_equal(module.calls, cases[i].calls);
		assert_run_once(ops, 0, cases[i].count);
		free(ops);
	}
}

TEST(a_module_short_of_memory_is_asked_for_less, reset, NULL)
{
	struct msr_batch_op *ops = make_ops(1000);

	module.most = 300;
	assert_int_equal(msr_safe_batch(7, ops, 1000), 0);
	assert_run_once(ops, 0, 1000);
	free(ops);

	ops = make_ops(3);
	module.most = 0;
	assert_int_equal(msr_safe_batch(7, ops, 3), -E2BIG);
	free(ops);
}

TEST(the_error_of_an_operation_is_not_one_of_the_batch, reset, NULL)
{
	struct msr_batch_op *ops = make_ops(10);

	module.op_error = -EIO;
	ops[0].msr = 0xBAD;
	ops[5].msr = 0xBAD;
	assert_int_equal(msr_safe_batch(7, ops, 10), 0);
	assert_int_equal(ops[0].err, -EIO);
	assert_int_equal(ops[5].err, -EIO);
	assert_run_once(ops, 1, 5);
	assert_run_once(ops, 6, 10);
	free(ops);
}

TEST(extended_operations_take_as_few_calls_as_may_be, reset, NULL)
{
	size_t count = MSR_BATCH_MAX_OPS + 5, i;
	struct msr_op *ops = calloc(count, sizeof(*ops));

	assert_int_equal(msr_safe_ops(7, ops, count), 0);
	assert_int_equal(module.calls, 2);
	for (i = 0; i < count; i++)
		assert_int_equal(ops[i].data, 1);
	module.failing_call = 4;
	module.failure = ENOTTY;
	assert_int_equal(msr_safe_ops(7, ops, count), -ENOTTY);
	free(ops);
}

TEST(a_call_that_fails_leaves_the_rest_not_run, reset, NULL)
{
	size_t count = 2 * MSR_BATCH_MAX_OPS + 5, i;
	struct msr_batch_op *ops = make_ops(count);

	module.failing_call = 2;
	module.failure = ESTALE;
	assert_int_equal(msr_safe_batch(7, ops, count), -ESTALE);
	assert_run_once(ops, 0, MSR_BATCH_MAX_OPS);
	for (i = MSR_BATCH_MAX_OPS; i < count; i++) {
		assert_int_equal(ops[i].err, MSR_SAFE_NOT_RUN);
		assert_int_equal(ops[i].msrdata, i);
	}
	free(ops);
}

TEST(a_node_is_opened_with_its_flags_and_not_for_children, reset, NULL)
{
	struct msr_safe_error error;

	be_a_device();
	node_number = makedev(240, 0);
	assert_int_equal(msr_safe_open_batch(&error), 7);
	assert_string_equal(node_open.path, "/dev/cpu/msr_batch");
	assert_int_equal(node_open.flags, O_RDONLY | O_CLOEXEC);
	node_number = makedev(242, 3);
	assert_int_equal(msr_safe_open_cpu(3, O_RDWR, &error), 7);
	assert_string_equal(node_open.path, "/dev/cpu/3/msr_safe");
	assert_int_equal(node_open.flags, O_RDWR | O_CLOEXEC);
	/* Lists of classes have the major of the default list. */
	node_number = makedev(241, 9);
	assert_int_equal(msr_safe_open("/dev/cpu/msr_allowlist_5001", O_RDONLY, NULL), 7);
	assert_int_equal(node_open.closed, 0);
}

TEST(another_file_at_the_path_of_a_node_is_not_opened, reset, NULL)
{
	struct msr_safe_error error;

	be_a_device(); /* of the allowlist */
	assert_int_equal(msr_safe_open_batch(&error), -ENODEV);
	assert_int_equal(error.code, -ENODEV);
	assert_string_equal(error.text,
			    "/dev/cpu/msr_batch: Not a device of msr-safe\n"
			    "another file is in the way: remove it, then load the module again");
	assert_int_equal(node_open.closed, 1);
	assert_int_equal(msr_safe_open_batch(NULL), -ENODEV);
}

TEST(a_node_that_cannot_be_opened_is_explained, reset, NULL)
{
	static const struct {
		int error;
		const char *advice;
	} cases[] = {
		{ ENOENT, "modprobe msr-safe" },     { ENXIO, "modprobe msr-safe" },
		{ EACCES, "members of the group" },  { EPERM, "locked down" },
		{ ENOPROTOOPT, "msr_safe_version" },
	};
	struct msr_safe_error error;
	size_t i;

	node_group = 1; /* any that every machine has */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		node_open.error = cases[i].error;
		assert_int_equal(msr_safe_open_batch(&error), -cases[i].error);
		assert_int_equal(error.code, -cases[i].error);
		assert_non_null(strstr(error.text, "/dev/cpu/msr_batch: "));
		assert_non_null(strstr(error.text, strerror(cases[i].error)));
		assert_non_null(strstr(error.text, cases[i].advice));
	}
	node_group = 0;
	node_open.error = EACCES;
	msr_safe_open_batch(&error);
	assert_non_null(strstr(error.text, "only root can open it"));
	node_open.error = EMFILE;
	msr_safe_open_batch(&error);
	assert_null(strchr(error.text, '\n')); /* nothing to advise */
}

TEST(a_register_is_read_and_written_whole, reset, NULL)
{
	uint64_t value = 0;

	access_size = 8;
	held = 0xFEDCBA9876543210;
	assert_int_equal(msr_safe_read(7, 0xC0000103, &value), 0);
	assert_int_equal(value, 0xFEDCBA9876543210);
	assert_int_equal(msr_safe_write(7, 0xC0000103, 0x123), 0);
	assert_int_equal(held, 0x123);
	access_error = EACCES;
	assert_int_equal(msr_safe_read(7, 0xC0000103, &value), -EACCES);
	assert_int_equal(msr_safe_write(7, 0xC0000103, 1), -EACCES);
	access_error = 0;
	access_size = 4;
	assert_int_equal(msr_safe_read(7, 0xC0000103, &value), -EPROTO);
	assert_int_equal(msr_safe_write(7, 0xC0000103, 1), -EPROTO);
}
