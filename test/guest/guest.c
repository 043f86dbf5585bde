// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests in the guest have in common.
 */

#include <grp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

#include "guest.h"

int open_path(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return fd;
}

int open_cpu(unsigned int cpu, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/cpu/%u/%s", cpu, name);
	return open(path, flags);
}

ssize_t write_bytes(const void *bytes, size_t len)
{
	int fd = open(LIST_PATH, O_WRONLY);
	ssize_t written = write(fd, bytes, len);
	int saved = errno;

	close(fd);
	errno = saved;
	return written;
}

ssize_t write_list(const char *text)
{
	return write_bytes(text, strlen(text));
}

void load_list(const char *text)
{
	assert_int_equal(write_list(text), strlen(text));
}

int clear_list(void **state)
{
	(void)state;
	return write_list("\n") == 1 ? 0 : -1;
}

int load_the_list(void **state)
{
	(void)state;
	load_list("0x402 0xffffffffffffffff\n" /* STORE_A: all of it */
		  "0x406 0x00000000ffff0000\n" /* STORE_B: some bits */
		  "0x40a 0\n" /* STORE_C: read only */
		  "0xc0000103 0\n" /* CPU_NUMBER */
		  "0x6e1 0xffffffffffffffff\n"); /* FAULTING */
	return 0;
}

int run_batch_fd(int fd, struct msr_batch_op *ops, unsigned int count)
{
	struct msr_batch_array batch = {
		.numops = count,
		.version = MSR_SAFE_VERSION_u32,
		.ops = ops,
	};

	return ioctl(fd, X86_IOC_MSR_BATCH, &batch);
}

int batch_ioctl(unsigned long command, void *arg)
{
	int fd = open_path(BATCH_PATH, O_RDONLY);
	int result = ioctl(fd, command, arg);
	int saved = errno;

	close(fd);
	errno = saved;
	return result;
}

int run_batch(struct msr_batch_op *ops, unsigned int count)
{
	struct msr_batch_array batch = {
		.numops = count,
		.version = MSR_SAFE_VERSION_u32,
		.ops = ops,
	};

	return batch_ioctl(X86_IOC_MSR_BATCH, &batch);
}

void *no_memory(void)
{
	return (void *)(uintptr_t)8;
}

uint64_t peek(unsigned int cpu, uint32_t msr)
{
	int fd = open_cpu(cpu, "msr", O_RDONLY);
	uint64_t value;

	assert_int_equal(pread(fd, &value, sizeof(value), msr), sizeof(value));
	close(fd);
	return value;
}

void poke(unsigned int cpu, uint32_t msr, uint64_t value)
{
	int fd = open_cpu(cpu, "msr", O_WRONLY);

	assert_int_equal(pwrite(fd, &value, sizeof(value), msr), sizeof(value));
	close(fd);
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int set_online(unsigned int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return write_file(path, online ? "1" : "0");
}

int trace_event(const char *event, bool on)
{
	unsigned int cpu, count = cpus_online();
	char path[128];
	int err;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/enable", event);
	for (cpu = 1; cpu < count; cpu++)
		assert_int_equal(set_online(cpu, false), 0);
	err = write_file(path, on ? "1" : "0");
	for (cpu = 1; cpu < count; cpu++)
		assert_int_equal(set_online(cpu, true), 0);
	return err;
}

int in_child(bool as_user, int (*function)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (as_user && (setgroups(0, NULL) || setgid(1000) || setuid(1000)))
			_exit(255);
		_exit(function(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

long ioctl_of_32_bits(int fd, unsigned long cmd, void *arg)
{
	long result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(54), "b"((long)fd), "c"(cmd), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return result;
}

void pin_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		abort();
}

unsigned int cpus_online(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static int log_fd = -1;

void mark_log(void)
{
	if (log_fd < 0)
		log_fd = open_path("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	lseek(log_fd, 0, SEEK_END);
}

unsigned int count_in_log(const char *text)
{
	unsigned int count = 0;
	char record[8192];
	ssize_t len;

	while ((len = read(log_fd, record, sizeof(record) - 1)) > 0) {
		record[len] = '\0';
		count += strstr(record, text) != NULL;
	}
	return count;
}

const char *const guest_nodes[GUEST_NODES] = {
	"/dev/cpu/0/msr_safe",
	"/dev/cpu/3/msr_safe",
	BATCH_PATH,
	LIST_PATH,
	"/dev/cpu/msr_safe_version",
	"/dev/cpu/msr_version",
	"/dev/cpu/msr_sample",
};

const char *const guest_kinds[GUEST_KINDS] = {
	"msr_safe", "msr_batch", "msr_sample", "msr_allowlist", "msr_safe_version",
};

int load_other(const char *path, const char *params)
{
	int fd = open_path(path, O_RDONLY | O_CLOEXEC);
	int err = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;

	close(fd);
	return err;
}

int unload_other(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

int load_module(const char *params)
{
	return load_other("/t/msr-safe.ko", params);
}

int unload_module(void)
{
	return unload_other("msr_safe");
}

static bool in_file(const char *path, const char *text)
{
	static char content[1 << 16];
	int fd = open_path(path, O_RDONLY);
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, content + len, sizeof(content) - 1 - len)) > 0)
		len += got;
	content[len] = '\0';
	close(fd);
	return strstr(content, text);
}

void assert_nothing_left(void)
{
	char path[64];
	unsigned int i;

	for (i = 0; i < GUEST_NODES; i++)
		assert_int_not_equal(access(guest_nodes[i], F_OK), 0);
	assert_int_not_equal(access("/dev/cpu/msr_approved_list", F_OK), 0);
	assert_int_not_equal(access("/dev/cpu/msr_whitelist", F_OK), 0);
	for (i = 0; i < GUEST_KINDS; i++) {
		snprintf(path, sizeof(path), "/sys/class/%s", guest_kinds[i]);
		assert_int_not_equal(access(path, F_OK), 0);
	}
	assert_int_not_equal(access("/sys/module/msr_safe", F_OK), 0);
	assert_false(in_file("/proc/devices", "msr_"));
	assert_false(in_file("/sys/devices/system/cpu/hotplug/states", "msr_safe"));
}

bool has_user_namespaces(void)
{
	return access("/proc/self/ns/user", F_OK) == 0;
}

bool is_out_of_spec(void)
{
	char text[32] = "";
	int fd = open_path("/proc/sys/kernel/tainted", O_RDONLY);

	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoul(text, NULL, 10) & 1 << 2;
}
