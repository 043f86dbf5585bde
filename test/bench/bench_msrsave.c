// SPDX-License-Identifier: GPL-2.0-only
/*
 * What saving and restoring a node costs: msrsave beside a plain loop of pread and
 * pwrite that does the same, in system calls and in time, in one boot.
 */

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REGISTERS 300
#define MOST_CPUS 64
#define TURNS 3

/* Address and misc of each bank are plain storage in the guest; the rest reads 0. */
#define STORES 20
#define STORE(i) (0x402 + (i) / 2 * 4 + (i) % 2)
#define FIRST_ZERO 0x3000

static uint32_t registers[REGISTERS];
static uint64_t saved[REGISTERS][MOST_CPUS];
static int fds[MOST_CPUS];
static unsigned int cpus;

static void make_list(void)
{
	int fd = open("/dev/cpu/msr_allowlist", O_WRONLY);
	static char text[64 * REGISTERS];
	size_t len = 0;
	unsigned int i;

	for (i = 0; i < REGISTERS; i++) {
		registers[i] = i < STORES ? STORE(i) : FIRST_ZERO + i;
		len += sprintf(text + len, "0x%x 0xffffffffffffffff\n", registers[i]);
	}
	if (write(fd, text, len) != (ssize_t)len)
		err(EXIT_FAILURE, "msr_allowlist");
	close(fd);
}

static void open_all(void)
{
	char path[64];
	unsigned int cpu;

	for (cpu = 0; cpu < cpus; cpu++) {
		snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", cpu);
		fds[cpu] = open(path, O_RDWR);
		if (fds[cpu] < 0)
			err(EXIT_FAILURE, "%s", path);
	}
}

static uint64_t get(unsigned int cpu, unsigned int i)
{
	uint64_t value;

	if (pread(fds[cpu], &value, sizeof(value), registers[i]) != sizeof(value))
		err(EXIT_FAILURE, "0x%x", registers[i]);
	return value;
}

static void put(unsigned int cpu, unsigned int i, uint64_t value)
{
	if (pwrite(fds[cpu], &value, sizeof(value), registers[i]) != sizeof(value))
		err(EXIT_FAILURE, "0x%x", registers[i]);
}

#define for_each_value(cpu, i)           \
	for (cpu = 0; cpu < cpus; cpu++) \
		for (i = 0; i < REGISTERS; i++)

static void disturb(uint64_t value)
{
	unsigned int cpu, i;

	open_all();
	for (cpu = 0; cpu < cpus; cpu++)
		for (i = 0; i < STORES; i++)
			put(cpu, i, value + i + cpu);
	for (cpu = 0; cpu < cpus; cpu++)
		close(fds[cpu]);
}

static void plain_save(void)
{
	unsigned int cpu, i;
	int fd;

	open_all();
	for_each_value(cpu, i)
		saved[i][cpu] = get(cpu, i);
	fd = open("/tmp/plain", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (write(fd, saved, sizeof(saved)) != sizeof(saved) || fsync(fd) || close(fd))
		err(EXIT_FAILURE, "/tmp/plain");
}

static void plain_restore(void)
{
	int fd = open("/tmp/plain", O_RDONLY);
	unsigned int cpu, i;

	if (read(fd, saved, sizeof(saved)) != sizeof(saved))
		err(EXIT_FAILURE, "/tmp/plain");
	open_all();
	for_each_value(cpu, i)
		if (get(cpu, i) != saved[i][cpu])
			put(cpu, i, saved[i][cpu]);
	for_each_value(cpu, i)
		if (get(cpu, i) != saved[i][cpu])
			errx(EXIT_FAILURE, "0x%x did not take", registers[i]);
}

static void msrsave_save(void)
{
	execl("./msrsave", "msrsave", "/tmp/state", NULL);
}

static void msrsave_restore(void)
{
	execl("./msrsave", "msrsave", "-r", "/tmp/state", NULL);
}

static pid_t start(void (*program)(void), int traced)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (traced) {
			ptrace(PTRACE_TRACEME, 0, NULL, NULL);
			raise(SIGSTOP);
		}
		program();
		_exit(0);
	}
	return pid;
}

static unsigned int system_calls(void (*program)(void))
{
	pid_t pid = start(program, 1);
	unsigned int stops = 0;
	int status;

	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD);
	for (;;) {
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		waitpid(pid, &status, 0);
		if (WIFEXITED(status))
			break;
		stops += WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80);
	}
	if (WEXITSTATUS(status))
		errx(EXIT_FAILURE, "exit status %d", WEXITSTATUS(status));
	return (stops + 1) / 2;
}

static double milliseconds(void (*program)(void))
{
	struct timespec from, to;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &from);
	waitpid(start(program, 0), &status, 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (status)
		errx(EXIT_FAILURE, "wait status %d", status);
	return (to.tv_sec - from.tv_sec) * 1e3 + (to.tv_nsec - from.tv_nsec) / 1e6;
}

static void row(const char *what, void (*ours)(void), void (*plain)(void))
{
	double best[2] = { 1e9, 1e9 }, time;
	unsigned int calls[2];
	int turn;

	disturb(1);
	calls[0] = system_calls(ours);
	disturb(2);
	calls[1] = system_calls(plain);
	for (turn = 0; turn < TURNS; turn++) {
		disturb(3 + 2 * turn);
		time = milliseconds(ours);
		best[0] = time < best[0] ? time : best[0];
		disturb(4 + 2 * turn);
		time = milliseconds(plain);
		best[1] = time < best[1] ? time : best[1];
	}
	printf("%-8s %8u %8u %8.1f %10.1f ms %8.1f ms %8.1f\n", what, calls[0], calls[1],
	       (double)calls[1] / calls[0], best[0], best[1], best[1] / best[0]);
}

int main(void)
{
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > MOST_CPUS)
		cpus = MOST_CPUS;
	make_list();
	printf("%u CPUs, %u registers, of which %u differ when restored; the best of %u turns\n"
	       "               system calls                          time\n"
	       "          msrsave    plain    ratio       msrsave       plain    ratio\n",
	       cpus, REGISTERS, STORES, TURNS);
	disturb(0);
	row("save", msrsave_save, plain_save);
	row("restore", msrsave_restore, plain_restore);
	return 0;
}
