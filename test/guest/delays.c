// SPDX-License-Identifier: GPL-2.0-only

#include "delays.h"
#include "guest.h"
#include "workers.h"

#define DELAY "/sys/module/delay/parameters/"

static int change_module(const char *params)
{
	unsigned int cpu, count = cpus_online();
	int err;

	for (cpu = 1; cpu < count; cpu++)
		assert_int_equal(set_online(cpu, false), 0);
	err = params ? load_other("/t/delay.ko", params) : unload_other("delay");
	for (cpu = 1; cpu < count; cpu++)
		assert_int_equal(set_online(cpu, true), 0);
	return err;
}

void load_delay(const char *params)
{
	int err = change_module(params);

	if (err == -ENOENT) {
		print_message("# no such function: %s\n", params);
		skip();
	}
	assert_int_equal(err, 0);
}

void unload_delay(void)
{
	if (access(DELAY, F_OK) == 0)
		change_module(NULL);
}

void delay_call(unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	assert_int_equal(write_file(DELAY "release", "0"), 0);
	assert_int_equal(write_file(DELAY "nth", text), 0);
}

bool is_delayed(void)
{
	char c = 'N';
	int fd = open(DELAY "active", O_RDONLY);

	if (fd < 0 || read(fd, &c, 1) != 1)
		c = '?';
	close(fd);
	return c == 'Y';
}

void wait_for_delay(void)
{
	uint64_t end = deadline(60);

	while (!is_delayed()) {
		assert_true(now_ns() < end);
		usleep(1000);
	}
}

void end_delay(void)
{
	assert_true(is_delayed());
	release_delay();
}

void release_delay(void)
{
	write_file(DELAY "release", "1");
}
