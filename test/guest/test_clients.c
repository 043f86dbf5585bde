// SPDX-License-Identifier: GPL-2.0-only
/*
 * What docs/clients.md says about programs that use the devices, by the calls that
 * those make. They carry declarations of their own, and so does this: no structure
 * or number here is of msr_safe.h.
 */

#include <sys/mman.h>

#include "uring.h"

#define MSR_SAFE_PATH "/dev/cpu/0/msr_safe"
#define CHECK_PATH "/sys/module/msr_safe/parameters/check_batch_version"
#define PAGE_PATH "./clients.md"

#define LAST_CPU 3

struct client_op {
	uint16_t cpu;
	uint16_t isrdmsr;
	int32_t err;
	uint32_t msr;
	uint64_t msrdata;
	uint64_t wmask;
};

struct client_array {
	uint32_t numops;
	uint32_t version;
	struct client_op *ops;
};

/* From before there were versions */
struct old_array {
	uint32_t numops;
	struct client_op *ops;
};

#define CLIENT_BATCH _IOWR('c', 0xA2, struct client_array)
#define OLD_BATCH _IOWR('c', 0xA2, struct old_array)

static const struct client_op read_a = { .cpu = 0, .isrdmsr = 1, .msr = STORE_A };

static int client_batch(int flags, struct client_op *ops, unsigned int count)
{
	struct client_array batch = { .numops = count, .ops = ops };
	int fd = open_path(BATCH_PATH, flags);
	int result = ioctl(fd, CLIENT_BATCH, &batch);
	int saved = errno;

	close(fd);
	errno = saved;
	return result;
}

/* A batch of a client whose array has no version; word is what is in its place. */
static int old_batch(uint32_t word, struct client_op *ops, unsigned int count)
{
	int fd = open_path(BATCH_PATH, O_RDWR);
	struct old_array batch;
	int result, saved;

	memset(&batch, 0, sizeof(batch));
	batch.numops = count;
	batch.ops = ops;
	memcpy((char *)&batch + offsetof(struct msr_batch_array, version), &word, sizeof(word));
	result = ioctl(fd, OLD_BATCH, &batch);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

static int client_open(unsigned int cpu)
{
	int fd = open_cpu(cpu, "msr_safe", O_RDWR);

	assert_true(fd >= 0);
	return fd;
}

static void set_nodes(gid_t group, mode_t mode)
{
	assert_int_equal(chown(BATCH_PATH, 0, group), 0);
	assert_int_equal(chmod(BATCH_PATH, mode), 0);
	assert_int_equal(chown(MSR_SAFE_PATH, 0, group), 0);
	assert_int_equal(chmod(MSR_SAFE_PATH, mode), 0);
}

static int restore(void **state)
{
	(void)state;
	set_online(LAST_CPU, true);
	if (access("/sys/module/msr_safe", F_OK) && load_module(""))
		return -1;
	set_nodes(0, 0600);
	return write_file(CHECK_PATH, "1");
}

/* As user and group 1000: the errno of opening, or 0 */
struct opening {
	const char *path;
	int flags;
};

static int user_opens(void *arg)
{
	const struct opening *opening = arg;

	return open(opening->path, opening->flags) < 0 ? errno : 0;
}

#define USER_OPENS(...) in_child(true, user_opens, &(struct opening){ __VA_ARGS__ })

TEST(nodes_of_0640_cannot_be_opened_for_reading_and_writing, load_the_list, restore)
{
	set_nodes(1000, 0640);
	assert_int_equal(USER_OPENS(BATCH_PATH, O_RDWR), EACCES);
	assert_int_equal(USER_OPENS(MSR_SAFE_PATH, O_RDWR), EACCES);
	assert_int_equal(USER_OPENS(BATCH_PATH, O_RDONLY), 0);
}

TEST(nodes_of_0660_can_be_opened_as_every_client_does, load_the_list, restore)
{
	set_nodes(1000, 0660);
	assert_int_equal(USER_OPENS(BATCH_PATH, O_RDWR), 0);
	assert_int_equal(USER_OPENS(BATCH_PATH, O_RDONLY), 0);
	assert_int_equal(USER_OPENS(MSR_SAFE_PATH, O_RDWR), 0);
}

TEST(the_owner_of_a_node_may_read_and_write_it, load_the_list, restore)
{
	struct stat st;

	/* A node that no test has changed */
	assert_int_equal(stat("/dev/cpu/1/msr_safe", &st), 0);
	assert_true(st.st_mode & S_IRUSR);
	assert_true(st.st_mode & S_IWUSR);
}

TEST(the_owner_of_the_list_may_read_and_write_it, load_the_list, restore)
{
	struct stat st;

	assert_int_equal(stat(LIST_PATH, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_true(st.st_mode & S_IRUSR);
	assert_true(st.st_mode & S_IWUSR);
}

TEST(msr_safe_is_found_beside_the_kernels_msr, load_the_list, restore)
{
	assert_int_equal(access(MSR_SAFE_PATH, F_OK), 0);
	assert_int_equal(access("/dev/cpu/0/msr", F_OK), 0);
}

TEST(without_the_module_only_msr_is_left_which_users_are_refused, load_the_list, restore)
{
	const char *msr = "/dev/cpu/0/msr";
	struct stat st;

	assert_int_equal(unload_module(), 0);
	assert_fails(access(MSR_SAFE_PATH, F_OK), ENOENT);
	assert_fails(open(MSR_SAFE_PATH, O_RDWR), ENOENT);
	assert_fails(open(BATCH_PATH, O_RDWR), ENOENT);

	assert_int_equal(stat(msr, &st), 0);
	assert_int_equal(chmod(msr, 0666), 0);
	assert_int_equal(USER_OPENS(msr, O_RDWR), EPERM);
	assert_int_equal(chmod(msr, st.st_mode & 0777), 0);
}

TEST(registers_are_read_and_written_at_their_addresses, load_the_list, restore)
{
	uint64_t value;
	unsigned int cpu;

	for (cpu = 0; cpu <= LAST_CPU; cpu++) {
		int fd = client_open(cpu);

		value = 0x123456789abcdef0 + cpu;
		assert_int_equal(pwrite(fd, &value, sizeof(value), STORE_A), 8);
		assert_int_equal(peek(cpu, STORE_A), 0x123456789abcdef0 + cpu);
		value = 0;
		assert_int_equal(pread(fd, &value, sizeof(value), STORE_A), 8);
		assert_int_equal(value, 0x123456789abcdef0 + cpu);
		close(fd);
	}
}

/* One read or write by io_uring. Returns its result, or -1 with errno set. */
static int by_io_uring(unsigned int opcode, int fd, uint64_t *value, uint64_t offset)
{
	struct io_uring_sqe request = {
		.opcode = opcode,
		.fd = fd,
		.addr = (uintptr_t)value,
		.len = sizeof(*value),
		.off = offset,
	};
	struct uring ring;
	int result;

	uring_open(&ring, (struct io_uring_params){ 0 });
	result = uring_do(&ring, request);
	uring_close(&ring);
	errno = result < 0 ? -result : 0;
	return result < 0 ? -1 : result;
}

TEST(io_uring_reads_and_writes_registers, load_the_list, restore)
{
	uint64_t value = 0x1122334455667788;
	int fd = client_open(2);
	int result;

	result = by_io_uring(IORING_OP_WRITE, fd, &value, STORE_A);
	/* Kernels without it have no such clients. */
	if (result < 0 && errno == ENOSYS) {
		close(fd);
		skip();
	}
	assert_int_equal(result, 8);
	assert_int_equal(peek(2, STORE_A), value);
	value = 0;
	assert_int_equal(by_io_uring(IORING_OP_READ, fd, &value, STORE_A), 8);
	assert_int_equal(value, 0x1122334455667788);
	assert_fails(by_io_uring(IORING_OP_READ, fd, &value, 0x403), EACCES);
	close(fd);
}

TEST(the_layout_that_clients_carry_is_served, load_the_list, restore)
{
	static const int flags[] = { O_RDWR, O_RDONLY };
	struct client_op ops[8];
	unsigned int i, way;

	assert_int_equal(sizeof(struct client_op), 32);
	assert_int_equal(sizeof(struct client_array), 16);
	assert_int_equal(sizeof(struct old_array), 16);
	assert_int_equal(CLIENT_BATCH, 0xC01063A2);
	assert_int_equal(OLD_BATCH, 0xC01063A2);
	for (way = 0; way < 2; way++) {
		for (i = 0; i < 8; i++)
			ops[i] = (struct client_op){
				.cpu = i / 2,
				.isrdmsr = i % 2,
				.err = 99,
				.msr = STORE_A,
				.msrdata = i % 2 ? 0 : 0x5500 + 16 * way + i,
			};
		assert_int_equal(client_batch(flags[way], ops, 8), 0);
		for (i = 0; i < 8; i++) {
			assert_int_equal(ops[i].err, 0);
			assert_int_equal(ops[i].msrdata, 0x5500 + 16 * way + i / 2 * 2);
		}
	}
}

TEST(an_array_without_version_is_served, load_the_list, restore)
{
	/* Zeroed; and what the memory of a program holds: addresses, text, numbers */
	static const uint32_t left[] = {
		0, 8, 0x55fb, 0x7f28, 0x0973676e, 0x31203a09, 0xA5A5A5A5, 100000, 1000000, -1,
	};
	static const char texts[][4] = { "cpu", "lag", "rt\n", "0", "12" };
	unsigned int i;

	poke(0, STORE_A, 0x77);
	for (i = 0; i < ARRAY_SIZE(left); i++) {
		struct client_op op = read_a;

		assert_int_equal(old_batch(left[i], &op, 1), 0);
		assert_int_equal(op.err, 0);
		assert_int_equal(op.msrdata, 0x77);
	}
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		struct client_op op = read_a;
		uint32_t word;

		memcpy(&word, texts[i], sizeof(word));
		assert_int_equal(old_batch(word, &op, 1), 0);
		assert_int_equal(op.err, 0);
		assert_int_equal(op.msrdata, 0x77);
	}
}

TEST(an_array_without_version_can_hold_one_by_chance, load_the_list, restore)
{
	/* 1.0.0, 3.0.0, and 1.8.0 of headers of that version */
	static const uint32_t left[] = { 65536, 196608, 0x010800 };
	struct client_op op = read_a;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(left); i++)
		assert_fails(old_batch(left[i], &op, 1), ENOPROTOOPT);
}

TEST(an_array_of_a_version_that_is_not_served_is_enoprotoopt, load_the_list, restore)
{
	struct client_op op = { .cpu = 0, .err = 99, .msr = STORE_A, .msrdata = 1 };

	poke(0, STORE_A, 0x77);
	assert_fails(old_batch(0x030000, &op, 1), ENOPROTOOPT);
	assert_int_equal(op.err, 99);
	assert_int_equal(peek(0, STORE_A), 0x77);
}

TEST(with_the_check_turned_off_any_array_is_served, load_the_list, restore)
{
	struct client_op op = read_a;

	poke(0, STORE_A, 0x77);
	assert_int_equal(write_file(CHECK_PATH, "0"), 0);
	assert_int_equal(old_batch(0x030000, &op, 1), 0);
	assert_int_equal(op.msrdata, 0x77);
	assert_int_equal(old_batch(0, &op, 1), 0);
	assert_int_equal(write_file(CHECK_PATH, "1"), 0);
	assert_fails(old_batch(0x030000, &op, 1), ENOPROTOOPT);
}

TEST(err_is_a_negative_errno, load_the_list, restore)
{
	struct client_op op = { .cpu = 0, .isrdmsr = 1, .msr = STORE_D };

	assert_fails(client_batch(O_RDONLY, &op, 1), EACCES);
	assert_int_equal(op.err, -EACCES);
	assert_string_equal(strerror(-op.err), "Permission denied");
	assert_string_equal(strerror(op.err), "Unknown error -13");
}

TEST(the_first_error_is_returned_and_the_others_are_carried_out, load_the_list, restore)
{
	struct client_op ops[] = {
		{ .cpu = 0, .msr = STORE_A, .msrdata = 0x11 },
		{ .cpu = 0, .msr = STORE_C, .msrdata = 0x22 },
		{ .cpu = 9, .isrdmsr = 1, .msr = STORE_A },
		{ .cpu = 2, .isrdmsr = 1, .msr = STORE_D, .msrdata = 0xdead },
		{ .cpu = 3, .msr = STORE_A, .msrdata = 0x33 },
	};
	static const int errs[] = { 0, -EROFS, -ENXIO, -EACCES, 0 };
	unsigned int i;

	assert_fails(client_batch(O_RDWR, ops, ARRAY_SIZE(ops)), EROFS);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(ops[i].err, errs[i]);
	assert_int_equal(ops[3].msrdata, 0xdead);
	assert_int_equal(peek(0, STORE_A), 0x11);
	assert_int_equal(peek(3, STORE_A), 0x33);
}

TEST(what_is_not_listed_is_eacces, load_the_list, restore)
{
	struct client_op ops[] = {
		{ .cpu = 0, .isrdmsr = 1, .msr = STORE_D },
		{ .cpu = 0, .msr = STORE_D },
	};
	int fd = client_open(0);
	uint64_t value = 1;

	assert_fails(pread(fd, &value, sizeof(value), STORE_D), EACCES);
	assert_fails(pwrite(fd, &value, sizeof(value), STORE_D), EACCES);
	close(fd);
	assert_fails(client_batch(O_RDWR, ops, 2), EACCES);
	assert_int_equal(ops[0].err, -EACCES);
	assert_int_equal(ops[1].err, -EACCES);
}

TEST(an_empty_mask_is_erofs_in_a_batch_and_eacces_in_pwrite, load_the_list, restore)
{
	struct client_op op = { .cpu = 0, .msr = STORE_C, .msrdata = 1 };
	int fd = client_open(0);
	uint64_t value = 1;

	poke(0, STORE_C, 0x77);
	assert_fails(pwrite(fd, &value, sizeof(value), STORE_C), EACCES);
	assert_fails(client_batch(O_RDWR, &op, 1), EROFS);
	assert_int_equal(op.err, -EROFS);
	assert_int_equal(pread(fd, &value, sizeof(value), STORE_C), 8);
	assert_int_equal(value, 0x77);
	close(fd);
}

TEST(bits_outside_the_mask_are_kept_and_the_write_succeeds, load_the_list, restore)
{
	struct client_op op = { .cpu = 0, .msr = STORE_B, .msrdata = 0x5555555555555555 };
	uint64_t value = UINT64_MAX;
	int fd = client_open(0);

	poke(0, STORE_B, 0xaaaaaaaaaaaaaaaa);
	assert_int_equal(client_batch(O_RDWR, &op, 1), 0);
	assert_int_equal(op.err, 0);
	assert_int_equal(op.msrdata, 0x5555555555555555);
	assert_int_equal(peek(0, STORE_B), 0xaaaaaaaa5555aaaa);

	assert_int_equal(pwrite(fd, &value, sizeof(value), STORE_B), 8);
	assert_int_equal(pread(fd, &value, sizeof(value), STORE_B), 8);
	assert_int_equal(value, 0xaaaaaaaaffffaaaa);
	close(fd);
}

TEST(a_read_in_a_batch_tells_the_write_mask, load_the_list, restore)
{
	static const struct {
		uint32_t msr;
		uint64_t wmask;
	} listed[] = { { STORE_A, UINT64_MAX }, { STORE_B, 0xffff0000 }, { STORE_C, 0 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(listed); i++) {
		struct client_op op = { .isrdmsr = 1, .msr = listed[i].msr, .wmask = 99 };

		assert_int_equal(client_batch(O_RDWR, &op, 1), 0);
		assert_int_equal(op.wmask, listed[i].wmask);
	}
}

TEST(a_cpu_off_line_has_no_node_and_is_enxio, load_the_list, restore)
{
	struct client_op ops[LAST_CPU + 1];
	int fd = client_open(LAST_CPU);
	uint64_t value;
	unsigned int i;

	assert_int_equal(set_online(LAST_CPU, false), 0);
	assert_fails(open_cpu(LAST_CPU, "msr_safe", O_RDWR), ENOENT);
	assert_fails(pread(fd, &value, sizeof(value), STORE_A), ENXIO);
	for (i = 0; i <= LAST_CPU; i++)
		ops[i] = (struct client_op){ .cpu = i, .isrdmsr = 1, .msr = CPU_NUMBER };
	assert_fails(client_batch(O_RDWR, ops, LAST_CPU + 1), ENXIO);
	for (i = 0; i < LAST_CPU; i++) {
		assert_int_equal(ops[i].err, 0);
		assert_int_equal(ops[i].msrdata, i);
	}
	assert_int_equal(ops[LAST_CPU].err, -ENXIO);

	assert_int_equal(set_online(LAST_CPU, true), 0);
	assert_int_equal(pread(fd, &value, sizeof(value), STORE_A), 8);
	close(fd);
}

TEST(a_node_that_comes_back_is_0600_again, load_the_list, restore)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", LAST_CPU);
	assert_int_equal(chown(path, 0, 1000), 0);
	assert_int_equal(chmod(path, 0660), 0);
	assert_int_equal(USER_OPENS(path, O_RDWR), 0);
	assert_int_equal(set_online(LAST_CPU, false), 0);
	assert_int_equal(set_online(LAST_CPU, true), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFCHR | 0600);
	assert_int_equal(USER_OPENS(path, O_RDWR), EACCES);
}

/* A value that it refuses; a register that is not there is the same fault. */
TEST(what_the_processor_refuses_is_eio, load_the_list, restore)
{
	struct client_op op = { .cpu = 1, .msr = FAULTING, .msrdata = UINT64_C(1) << 32 };
	uint64_t value = UINT64_C(1) << 32;
	int fd = client_open(1);

	assert_fails(pwrite(fd, &value, sizeof(value), FAULTING), EIO);
	close(fd);
	assert_fails(client_batch(O_RDWR, &op, 1), EIO);
	assert_int_equal(op.err, -EIO);
}

TEST(a_new_list_counts_for_open_descriptors, load_the_list, restore)
{
	struct client_op op = read_a;
	struct client_array batch = { .numops = 1, .ops = &op };
	int batch_fd = open_path(BATCH_PATH, O_RDWR);
	int fd = client_open(0);
	uint64_t value;

	load_list("0x40a 0\n");
	assert_fails(pread(fd, &value, sizeof(value), STORE_A), EACCES);
	assert_fails(ioctl(batch_fd, CLIENT_BATCH, &batch), EACCES);
	load_list("0x402 0\n");
	assert_int_equal(pread(fd, &value, sizeof(value), STORE_A), 8);
	assert_int_equal(ioctl(batch_fd, CLIENT_BATCH, &batch), 0);
	close(batch_fd);
	close(fd);
}

TEST(with_revoke_on_change_open_descriptors_are_estale, load_the_list, restore)
{
	struct client_op op = read_a;
	struct client_array batch = { .numops = 1, .ops = &op };
	int batch_fd, fd;
	uint64_t value;

	assert_int_equal(unload_module(), 0);
	assert_int_equal(load_module("revoke_on_change=1"), 0);
	load_the_list(NULL);
	batch_fd = open_path(BATCH_PATH, O_RDWR);
	fd = client_open(0);
	assert_int_equal(ioctl(batch_fd, CLIENT_BATCH, &batch), 0);

	load_the_list(NULL);
	assert_fails(pread(fd, &value, sizeof(value), STORE_A), ESTALE);
	assert_fails(pwrite(fd, &value, sizeof(value), STORE_A), ESTALE);
	op.err = 99;
	assert_fails(ioctl(batch_fd, CLIENT_BATCH, &batch), ESTALE);
	assert_int_equal(op.err, 99);
	close(batch_fd);
	close(fd);

	fd = client_open(0);
	assert_int_equal(pread(fd, &value, sizeof(value), STORE_A), 8);
	close(fd);
	assert_int_equal(client_batch(O_RDWR, &op, 1), 0);
	assert_int_equal(unload_module(), 0);
}

static const char *const makers[] = { "06_55", "19_01" }; /* Intel, AMD */

/* The list for a server, as the page says that it is made */
static void load_list_of_server(const char *model)
{
	static char list[1 << 16];
	char command[128];
	FILE *selected;
	size_t len;

	snprintf(command, sizeof(command),
		 "MSR_ALLOWLISTS=/t/allowlists ./msr-allowlist "
		 "--cpu %s --with shared,energy,counters select",
		 model);
	selected = popen(command, "r");
	assert_non_null(selected);
	len = fread(list, 1, sizeof(list) - 1, selected);
	list[len] = '\0';
	assert_int_equal(pclose(selected), 0);
	mark_log();
	load_list(list);
	assert_int_equal(count_in_log("take over"), 0);
	assert_int_equal(count_in_log("refused"), 0);
}

/* Reads the registers that a cell of a table names, "0x1, 0x5 to 0x7"; how many. */
static unsigned int read_registers(const char *cell)
{
	const char *end = strchr(cell, '|');
	unsigned int count = 0;
	int fd = client_open(1);
	uint32_t first, last = 0;

	assert_non_null(end);
	while ((cell = strstr(cell, "0x")) && cell < end) {
		char *after;

		first = strtoul(cell, &after, 16);
		if (!strncmp(cell - 4, " to ", 4))
			first = last + 1;
		last = strtoul(cell, &after, 16);
		for (; first <= last; first++, count++) {
			struct client_op op = { .cpu = 1, .isrdmsr = 1, .msr = first };
			uint64_t value;

			if (pread(fd, &value, sizeof(value), first) != 8)
				fail_msg("0x%X: %s", first, strerror(errno));
			assert_int_equal(client_batch(O_RDWR, &op, 1), 0);
		}
		cell = after;
	}
	close(fd);
	return count;
}

TEST(the_lists_of_servers_have_the_registers_of_the_page, load_the_list, restore)
{
	static const unsigned int counts[] = { 37, 21 };
	unsigned int maker, count;
	char line[512];

	for (maker = 0; maker < 2; maker++) {
		FILE *page = fopen(PAGE_PATH, "r");

		assert_non_null(page);
		load_list_of_server(makers[maker]);
		while (fgets(line, sizeof(line), page) && strncmp(line, "| to do what", 12))
			;
		for (count = 0; fgets(line, sizeof(line), page) && *line == '|';) {
			char *cell = strchr(line + 1, '|');

			if (maker)
				cell = strchr(cell + 1, '|');
			count += read_registers(cell + 1);
		}
		fclose(page);
		assert_int_equal(count, counts[maker]);
	}
}

static uint64_t mask_of(uint32_t msr)
{
	struct client_op op = { .isrdmsr = 1, .msr = msr };

	assert_int_equal(client_batch(O_RDONLY, &op, 1), 0);
	return op.wmask;
}

TEST(the_lists_of_servers_have_counters_of_users_alone, load_the_list, restore)
{
	const uint64_t usr = 1 << 16, os = 1 << 17, interrupt = 1 << 20;
	uint32_t msr;

	load_list_of_server(makers[0]);
	for (msr = 0x186; msr <= 0x189; msr++)
		assert_int_equal(mask_of(msr) & (usr | os | interrupt), usr);
	assert_int_equal(mask_of(0x38D), 0x222);
	load_list_of_server(makers[1]);
	for (msr = 0xC0010200; msr <= 0xC001020A; msr += 2)
		assert_int_equal(mask_of(msr) & (usr | os | interrupt), usr);
}
