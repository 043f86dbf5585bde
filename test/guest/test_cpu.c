// SPDX-License-Identifier: GPL-2.0-only
/*
 * The per-CPU devices.
 */

#include <sys/sysmacros.h>

#include "guest.h"

#define LAST_CPU 3

static int open_safe(unsigned int cpu, int flags)
{
	int fd = open_cpu(cpu, "msr_safe", flags);

	if (fd < 0)
		fail_msg("msr_safe of CPU %u: %s", cpu, strerror(errno));
	return fd;
}

static uint64_t get(int fd, uint32_t msr)
{
	uint64_t value = 0xdeadbeefdeadbeef;

	assert_int_equal(pread(fd, &value, sizeof(value), msr), 8);
	return value;
}

static void put(int fd, uint32_t msr, uint64_t value)
{
	assert_int_equal(pwrite(fd, &value, sizeof(value), msr), 8);
}

TEST(every_online_cpu_has_a_node_of_mode_0600, load_the_list, NULL)
{
	struct stat st;
	char path[64];
	unsigned int i;

	for (i = 0; i < cpus_online(); i++) {
		snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", i);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode, S_IFCHR | 0600);
		assert_int_equal(st.st_uid, 0);
		assert_int_equal(minor(st.st_rdev), i);
	}
}

TEST(a_read_is_of_the_register_on_that_cpu, load_the_list, NULL)
{
	unsigned int i;

	for (i = 0; i < cpus_online(); i++) {
		int fd = open_safe(i, O_RDONLY);

		poke(i, STORE_A, 0x1122334455667700 + i);
		assert_int_equal(get(fd, STORE_A), 0x1122334455667700 + i);
		assert_int_equal(get(fd, CPU_NUMBER), i);
		close(fd);
	}
}

TEST(a_write_is_to_the_register_on_that_cpu, load_the_list, NULL)
{
	unsigned int i;

	for (i = 0; i < cpus_online(); i++) {
		int fd = open_safe(i, O_WRONLY);

		put(fd, STORE_A, 0x8877665544332200 + i);
		close(fd);
	}
	for (i = 0; i < cpus_online(); i++)
		assert_int_equal(peek(i, STORE_A), 0x8877665544332200 + i);
}

TEST(a_masked_write_keeps_the_other_bits, load_the_list, NULL)
{
	unsigned int i;

	for (i = 0; i < cpus_online(); i++) {
		int fd = open_safe(i, O_RDWR);

		poke(i, STORE_B, 0xaaaaaaaaaaaaaaaa);
		put(fd, STORE_B, 0x5555555555555555);
		assert_int_equal(peek(i, STORE_B), 0xaaaaaaaa5555aaaa);
		close(fd);
	}
}

TEST(the_file_position_is_the_address_and_stays, load_the_list, NULL)
{
	int fd = open_safe(0, O_RDWR);
	uint64_t value = 0x1234;

	assert_int_equal(lseek(fd, STORE_A, SEEK_SET), STORE_A);
	assert_int_equal(write(fd, &value, 8), 8);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), STORE_A);
	value = 0;
	assert_int_equal(read(fd, &value, 8), 8);
	assert_int_equal(value, 0x1234);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), STORE_A);
	assert_int_equal(lseek(fd, STORE_B - STORE_A, SEEK_CUR), STORE_B);
	poke(0, STORE_B, 0x99);
	assert_int_equal(read(fd, &value, 8), 8);
	assert_int_equal(value, 0x99);
	close(fd);
}

TEST(llseek_with_seek_end_is_einval, load_the_list, NULL)
{
	int fd = open_safe(0, O_RDONLY);

	assert_fails(lseek(fd, 0, SEEK_END), EINVAL);
	close(fd);
}

TEST(llseek_to_a_negative_address_is_einval, load_the_list, NULL)
{
	int fd = open_safe(0, O_RDONLY);

	assert_fails(lseek(fd, -1, SEEK_SET), EINVAL);
	assert_fails(lseek(fd, -1, SEEK_CUR), EINVAL);
	close(fd);
}

TEST(any_count_but_8_is_einval_and_does_nothing, load_the_list, NULL)
{
	static const size_t counts[] = { 0, 1, 4, 7, 9, 16, 4096 };
	static char buf[4096];
	int fd = open_safe(0, O_RDWR);
	unsigned int i;

	poke(0, STORE_A, 0x77);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		assert_fails(pread(fd, buf, counts[i], STORE_A), EINVAL);
		assert_fails(pwrite(fd, buf, counts[i], STORE_A), EINVAL);
	}
	assert_int_equal(peek(0, STORE_A), 0x77);
	close(fd);
}

TEST(an_unlisted_register_is_eacces, load_the_list, NULL)
{
	int fd = open_safe(0, O_RDWR);
	uint64_t value = 5;

	poke(0, STORE_D, 0x77);
	assert_fails(pread(fd, &value, 8, STORE_D), EACCES);
	assert_int_equal(value, 5);
	assert_fails(pwrite(fd, &value, 8, STORE_D), EACCES);
	assert_int_equal(peek(0, STORE_D), 0x77);
	close(fd);
}

TEST(a_write_to_a_read_only_register_is_eacces, load_the_list, NULL)
{
	int fd = open_safe(0, O_RDWR);
	uint64_t value = 5;

	poke(0, STORE_C, 0x77);
	assert_int_equal(get(fd, STORE_C), 0x77);
	assert_fails(pwrite(fd, &value, 8, STORE_C), EACCES);
	assert_int_equal(peek(0, STORE_C), 0x77);
	close(fd);
}

TEST(an_address_over_32_bits_is_eacces, load_the_list, NULL)
{
	int fd = open_safe(0, O_RDWR);
	uint64_t value = 5;

	poke(0, STORE_A, 0x77);
	assert_fails(pread(fd, &value, 8, 0x100000000 + STORE_A), EACCES);
	assert_fails(pwrite(fd, &value, 8, 0x100000000 + STORE_A), EACCES);
	assert_int_equal(peek(0, STORE_A), 0x77);
	close(fd);
}

TEST(a_bad_buffer_is_efault, load_the_list, NULL)
{
	int fd = open_safe(0, O_RDWR);

	poke(0, STORE_A, 0x77);
	assert_fails(pread(fd, no_memory(), 8, STORE_A), EFAULT);
	assert_fails(pwrite(fd, no_memory(), 8, STORE_A), EFAULT);
	assert_int_equal(peek(0, STORE_A), 0x77);
	close(fd);
}

TEST(a_general_protection_fault_is_eio, load_the_list, NULL)
{
	int fd = open_safe(0, O_RDWR);
	uint64_t value = UINT64_C(1) << 40;
	unsigned int i;

	assert_fails(pwrite(fd, &value, 8, FAULTING), EIO);
	close(fd);
	for (i = 1; i < cpus_online(); i++) {
		fd = open_safe(i, O_RDWR);
		assert_fails(pwrite(fd, &value, 8, FAULTING), EIO);
		close(fd);
	}
}

TEST(descriptors_do_what_they_were_opened_for, load_the_list, NULL)
{
	uint64_t value = 5;
	int fd;

	fd = open_safe(0, O_RDONLY);
	assert_fails(pwrite(fd, &value, 8, STORE_A), EBADF);
	close(fd);
	fd = open_safe(0, O_WRONLY);
	assert_fails(pread(fd, &value, 8, STORE_A), EBADF);
	close(fd);
}

TEST(there_is_no_ioctl, load_the_list, NULL)
{
	int fd = open_safe(0, O_RDWR);

	assert_fails(ioctl(fd, X86_IOC_MSR_BATCH, NULL), ENOTTY);
	close(fd);
}

TEST(opening_a_cpu_that_does_not_exist_is_enxio, load_the_list, NULL)
{
	struct stat st;

	assert_int_equal(stat("/dev/cpu/0/msr_safe", &st), 0);
	assert_int_equal(mknod("/tmp/none", S_IFCHR | 0600, makedev(major(st.st_rdev), 200)), 0);
	assert_fails(open("/tmp/none", O_RDONLY), ENXIO);
	unlink("/tmp/none");
	assert_int_equal(mknod("/tmp/none", S_IFCHR | 0600, makedev(major(st.st_rdev), 70000)), 0);
	assert_fails(open("/tmp/none", O_RDONLY), ENXIO);
	unlink("/tmp/none");
}

static int all_cpus_on(void **state)
{
	(void)state;
	set_online(LAST_CPU, true);
	unlink("/tmp/last");
	return 0;
}

TEST(opening_a_cpu_that_is_offline_is_enxio, load_the_list, all_cpus_on)
{
	struct stat st;

	assert_int_equal(stat("/dev/cpu/3/msr_safe", &st), 0);
	assert_int_equal(mknod("/tmp/last", S_IFCHR | 0600, st.st_rdev), 0);
	close(open_path("/tmp/last", O_RDONLY));
	assert_int_equal(set_online(LAST_CPU, false), 0);
	assert_fails(open("/tmp/last", O_RDONLY), ENXIO);
}

TEST(a_node_goes_and_comes_with_its_cpu, load_the_list, all_cpus_on)
{
	struct stat st;

	assert_int_equal(chmod("/dev/cpu/3/msr_safe", 0666), 0);
	assert_int_equal(set_online(LAST_CPU, false), 0);
	assert_int_not_equal(access("/dev/cpu/3/msr_safe", F_OK), 0);
	assert_int_equal(set_online(LAST_CPU, true), 0);
	assert_int_equal(stat("/dev/cpu/3/msr_safe", &st), 0);
	assert_int_equal(st.st_mode, S_IFCHR | 0600);
}

TEST(a_descriptor_of_a_cpu_that_left_gives_enxio_until_it_returns, load_the_list, all_cpus_on)
{
	int fd = open_safe(LAST_CPU, O_RDWR);
	uint64_t value = 5;

	assert_int_equal(set_online(LAST_CPU, false), 0);
	assert_fails(pread(fd, &value, 8, STORE_A), ENXIO);
	assert_int_equal(value, 5);
	assert_fails(pwrite(fd, &value, 8, STORE_A), ENXIO);
	assert_int_equal(set_online(LAST_CPU, true), 0);
	assert_int_equal(get(fd, CPU_NUMBER), LAST_CPU);
	close(fd);
}

static int user_opens(void *arg)
{
	(void)arg;
	return open_cpu(0, "msr_safe", O_RDWR) < 0 ? errno : 0;
}

static int user_reads_and_writes(void *arg)
{
	int fd = open_cpu(0, "msr_safe", O_RDWR);
	uint64_t value = 0xabcd;

	(void)arg;
	if (fd < 0 || pwrite(fd, &value, 8, STORE_A) != 8)
		return 1;
	value = 0;
	return pread(fd, &value, 8, STORE_A) == 8 && value == 0xabcd ? 0 : 2;
}

TEST(a_user_without_file_permission_cannot_open, load_the_list, NULL)
{
	assert_int_equal(in_child(true, user_opens, NULL), EACCES);
}

TEST(a_user_with_file_permission_needs_no_capability, load_the_list, NULL)
{
	assert_int_equal(chown("/dev/cpu/0/msr_safe", 0, 1000), 0);
	assert_int_equal(chmod("/dev/cpu/0/msr_safe", 0660), 0);
	assert_int_equal(in_child(true, user_reads_and_writes, NULL), 0);
	assert_int_equal(chmod("/dev/cpu/0/msr_safe", 0600), 0);
}

TEST(the_kernel_s_trace_points_see_every_access, load_the_list, NULL)
{
	static const char trace[] = "/sys/kernel/tracing/trace";
	static char text[1 << 16];
	int fd = open_safe(0, O_RDWR);
	size_t len = 0;
	ssize_t got;
	int trace_fd;

	put(fd, STORE_A, 0);
	assert_int_equal(trace_event("msr", true), 0);
	put(fd, STORE_A, 0xfeedface);
	get(fd, STORE_A);
	assert_int_equal(trace_event("msr", false), 0);
	close(fd);

	trace_fd = open_path(trace, O_RDONLY);
	while ((got = read(trace_fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += got;
	close(trace_fd);
	assert_non_null(strstr(text, "write_msr: 402, value feedface"));
	assert_non_null(strstr(text, "read_msr: 402, value feedface"));
}
