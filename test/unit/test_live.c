// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr-allowlist load, show and probe on a node that is made up: its list, and which of its
 * CPUs has which register; and which processor a node has. Run in the top directory.
 */

#include "unit.h"

#include "../../allowlists/msr-allowlist/msr-allowlist.h"
#include "../../lib/allowlist.h"

/* The node */
static struct msr_allowlist_entry entries[] = {
	{ 0x10, 0 }, { 0x3FA, 0 }, { 0x199, 0xFFFF }, { 0x1234567, 0 }, { 0x610, 0 },
};
static struct msr_safe_cpus online;
static struct {
	uint32_t msr;
	unsigned int cpu;
	int err;
} refused[8];
static size_t nr_refused;
static int batch_errno, list_errno;
static bool list_empty;
static uint32_t listed_alone;

/* What was written to the device: how many times, and how much each time may be */
static unsigned int writes;
static size_t most_written;
static int device;

static struct processor_id processor;
static struct options options;
static char said[4096], printed[4096];

int __wrap_msr_safe_allowlist_read(struct msr_safe_allowlist *list, const char *path,
				   struct msr_safe_error *error);
int __wrap_msr_safe_open_batch(struct msr_safe_error *error);
int __wrap_msr_safe_batch(int fd, struct msr_batch_op *ops, size_t count);
int __wrap_msr_safe_cpus_online(struct msr_safe_cpus *set);
int __wrap_msr_safe_open(const char *path, int flags, struct msr_safe_error *error);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);

int __wrap_msr_safe_allowlist_read(struct msr_safe_allowlist *list, const char *path,
				   struct msr_safe_error *error)
{
	size_t i;

	assert_true(!path || strcmp(path, MSR_SAFE_ALLOWLIST_PATH) == 0);
	*list = (struct msr_safe_allowlist){ 0 };
	if (list_errno)
		return msr_safe_explain(error, MSR_SAFE_ALLOWLIST_PATH, -list_errno);
	if (list_empty)
		return 0;
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		assert_int_equal(msr_safe_allowlist_add(list, entries[i].msr, entries[i].wmask), 0);
	return 0;
}

struct processor_id __wrap_msr_safe_processor_here(void);
struct processor_id __wrap_msr_safe_processor_here(void)
{
	return processor;
}

static int alien;

int __wrap_msr_safe_open_batch(struct msr_safe_error *error)
{
	(void)error;
	return open("/dev/null", O_RDONLY);
}

int __wrap_msr_safe_batch(int fd, struct msr_batch_op *ops, size_t count)
{
	size_t i, j;

	(void)fd;
	if (batch_errno)
		return -batch_errno;
	for (i = 0; i < count; i++) {
		assert_true(ops[i].isrdmsr);
		assert_true(msr_safe_cpus_has(&online, ops[i].cpu));
		ops[i].err = 0;
		ops[i].wmask = ops[i].msr == 0x199 ? 0xFFFF : 0;
		if (listed_alone && ops[i].msr != listed_alone)
			ops[i].err = -EACCES;
		for (j = 0; j < nr_refused; j++)
			if (refused[j].msr == ops[i].msr && refused[j].cpu == ops[i].cpu)
				ops[i].err = refused[j].err;
	}
	return 0;
}

int __wrap_msr_safe_cpus_online(struct msr_safe_cpus *set)
{
	*set = online;
	return 0;
}

int __wrap_msr_safe_open(const char *path, int flags, struct msr_safe_error *error)
{
	assert_string_equal(path, MSR_SAFE_ALLOWLIST_PATH);
	if (alien)
		return msr_safe_explain(error, path, -ENODEV);
	device = open("/dev/null", flags);
	return device;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
	(void)bytes;
	assert_int_equal(fd, device);
	writes++;
	return len < most_written ? len : most_written;
}

static void refuse(uint32_t msr, unsigned int cpu, int err)
{
	assert_true(nr_refused < ARRAY_SIZE(refused));
	refused[nr_refused].msr = msr;
	refused[nr_refused].cpu = cpu;
	refused[nr_refused++].err = err;
}

static int make_node(void **state)
{
	(void)state;
	processor = (struct processor_id){ .maker = "intel", .family = 6, .model = 0x8F };
	memset(&online, 0, sizeof(online));
	msr_safe_cpus_add(&online, 0);
	msr_safe_cpus_add(&online, 1);
	msr_safe_cpus_add(&online, 5);
	nr_refused = 0;
	batch_errno = 0;
	list_errno = 0;
	list_empty = false;
	alien = 0;
	listed_alone = 0;
	writes = 0;
	most_written = SIZE_MAX;
	options = (struct options){
		.cpu = "06_8F",
		.lists = "allowlists",
		.device = MSR_SAFE_ALLOWLIST_PATH,
	};
	return msr_safe_tables_read(&options.tables, options.lists, NULL) ||
	       msr_safe_tables_read_rules(&options.tables, options.lists, NULL);
}

static int forget_node(void **state)
{
	(void)state;
	msr_safe_tables_free(&options.tables);
	return 0;
}

static void take(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, size - 1, file);
	text[len] = '\0';
	fclose(file);
	unlink(path);
}

/* Runs a command; what it prints is in @printed, what it complains of in @said. */
static int run(int (*command)(const struct options *options))
{
	char out[] = "/tmp/test_live_out_XXXXXX", err[] = "/tmp/test_live_err_XXXXXX";
	int saved[2] = { dup(STDOUT_FILENO), dup(STDERR_FILENO) };
	int fds[2] = { mkstemp(out), mkstemp(err) };
	int status;

	fflush(stdout);
	dup2(fds[0], STDOUT_FILENO);
	dup2(fds[1], STDERR_FILENO);
	status = command(&options);
	fflush(stdout);
	fflush(stderr);
	dup2(saved[0], STDOUT_FILENO);
	dup2(saved[1], STDERR_FILENO);
	close(saved[0]);
	close(saved[1]);
	close(fds[0]);
	close(fds[1]);
	take(out, printed, sizeof(printed));
	take(err, said, sizeof(said));
	return status;
}

/* Loads a text; returns the exit status. */
static int load(const char *text)
{
	char path[] = "/tmp/test_live_list_XXXXXX", *operands[] = { path };
	FILE *file = fdopen(mkstemp(path), "w");
	int status;

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	options.operands = operands;
	options.count = 1;
	status = run(command_load);
	unlink(path);
	return status;
}

/* That which is read back: entries */
#define THE_LIST "0x10 0\n0x3FA 0\n0x199 0xFFFF\n0x1234567 0\n0x610 0\n"

TEST(load_writes_once_and_finds_what_it_wrote, make_node, forget_node)
{
	assert_int_equal(load(THE_LIST), GOOD);
	assert_int_equal(writes, 1);
	assert_non_null(
		strstr(printed, " is in force: 5 registers can be read, and 1 of them written.\n"));
}

TEST(a_file_in_place_of_the_device_is_not_loaded, make_node, forget_node)
{
	alien = -1;
	assert_int_equal(load(THE_LIST), NOT_GOOD);
	assert_int_equal(writes, 0);
	assert_non_null(strstr(said, "/dev/cpu/msr_allowlist: Not a device of msr-safe\n"));
	assert_non_null(strstr(said, "remove it, then load the module again"));
	list_errno = ENODEV;
	assert_int_equal(run(command_show), NOT_GOOD);
	assert_string_equal(printed, "");
	assert_non_null(strstr(said, "Not a device of msr-safe"));
	assert_int_equal(run(command_probe), NOT_GOOD);
}

TEST(a_list_for_another_model_is_loaded_only_by_force, make_node, forget_node)
{
	static const char of_another[] = "# Milan: family 19h, model 01h\n" THE_LIST;
	static const char of_this[] = "# SPR: family 06h, model 8Fh\n" THE_LIST;

	assert_int_equal(load(of_another), NOT_GOOD);
	assert_int_equal(writes, 0);
	assert_non_null(strstr(said, "family 19h, model 01h, Milan, Zen 3 (EPYC 7003)"));
	assert_non_null(strstr(said, "this is family 06h, model 8Fh, Sapphire Rapids"));
	options.force = true;
	assert_int_equal(load(of_another), GOOD);
	options.force = false;
	assert_int_equal(load(of_this), GOOD);
}

TEST(entries_that_repeat_others_are_dropped_and_said, make_node, forget_node)
{
	assert_int_equal(load(THE_LIST "0x199 0xFFFF\n0x10 0x0\n"), GOOD);
	assert_non_null(strstr(said, "line 6: 0x199 repeats an earlier entry: dropped\n"));
	assert_non_null(strstr(said, "line 7: 0x10 repeats an earlier entry: dropped\n"));
	/* The head still counts. */
	assert_int_equal(load("# Milan: family 19h, model 01h\n" THE_LIST "0x10 0x0 # TSC\n"),
			 NOT_GOOD);
	assert_non_null(strstr(said, "family 19h, model 01h, Milan"));
	/* With another mask it is none: the module refuses it. */
	assert_int_equal(load(THE_LIST "0x10 0x0\n0x199 0xFFFE\n"), NOT_GOOD);
	assert_non_null(strstr(said, "line 7: address is listed twice"));
	assert_int_equal(writes, 1);
}

TEST(an_empty_list_is_said_to_be, make_node, forget_node)
{
	list_empty = true;
	assert_int_equal(run(command_show), GOOD);
	assert_string_equal(printed, "# No register is allowed: the list is empty.\n");
}

TEST(who_cannot_read_the_list_is_shown_it_by_batch, make_node, forget_node)
{
	list_errno = EACCES;
	listed_alone = 0x199;
	assert_int_equal(run(command_show), GOOD);
	assert_string_equal(
		printed,
		"0x00000199 0x000000000000FFFF # PERF_CTL                    thread   target performance state; no turbo\n"
		"# Registers that the tables do not know can be allowed as well.\n");
	listed_alone = 1;
	assert_int_equal(run(command_show), GOOD);
	assert_string_equal(printed, "# No register that the tables know is allowed.\n");
	batch_errno = EACCES;
	assert_int_equal(run(command_show), NOT_GOOD);
	assert_string_equal(printed, "");
}

TEST(what_is_not_what_was_loaded_is_said, make_node, forget_node)
{
	static const char *const others[] = {
		"0x10 0\n0x3FA 0\n0x199 0xFFFE\n0x1234567 0\n0x610 0\n",
		"0x10 0\n0x3FA 0\n0x199 0xFFFF\n0x1234567 0\n0x611 0\n",
		"0x10 0\n0x3FA 0\n0x199 0xFFFF\n0x1234567 0\n",
		THE_LIST "0x611 0\n",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(load(others[i]), NOT_GOOD);
		assert_non_null(strstr(said, "what is in force is not"));
	}
}

TEST(a_write_that_is_cut_is_said, make_node, forget_node)
{
	most_written = 10;
	assert_int_equal(load(THE_LIST), NOT_GOOD);
	assert_int_equal(writes, 1);
	assert_non_null(strstr(said, ": 10 of "));
}

/* Another list is read back, so no load is GOOD; the writes tell. */
TEST(denied_bits_of_this_model_are_written_only_by_force, make_node, forget_node)
{
	assert_int_equal(load("0xE01 0x100000\n"), NOT_GOOD);
	assert_int_equal(writes, 1);
	options.cpu = "06_3F";
	assert_int_equal(load("0xE01 0x100000\n"), NOT_GOOD);
	assert_int_equal(writes, 1);
	assert_non_null(strstr(said, "not loaded; --force"));
	options.force = true;
	assert_int_equal(load("0xD10 0x100000\n"), NOT_GOOD);
	assert_int_equal(writes, 2);
}

TEST(show_prints_the_list_with_names, make_node, forget_node)
{
	assert_int_equal(run(command_show), GOOD);
	assert_string_equal(
		printed,
		"0x00000010 0x0000000000000000 # TIME_STAMP_COUNTER          thread   time stamp counter\n"
		"0x000003FA 0x0000000000000000 # PKG_C7_RESIDENCY            package  time in package C7\n"
		"0x00000199 0x000000000000FFFF # PERF_CTL                    thread   target performance state; no turbo\n"
		"0x01234567 0x0000000000000000\n"
		"0x00000610 0x0000000000000000 # PKG_POWER_LIMIT             package  power limits of the package\n");
}

TEST(probe_prints_nothing_if_all_is_there, make_node, forget_node)
{
	assert_int_equal(run(command_probe), GOOD);
	assert_string_equal(printed, "");
	assert_string_equal(said, "");
}

TEST(probe_prints_what_is_lacking_and_where, make_node, forget_node)
{
	refuse(0x3FA, 0, -EIO);
	refuse(0x3FA, 1, -EIO);
	refuse(0x3FA, 5, -EIO);
	refuse(0x1234567, 5, -EIO);
	assert_int_equal(run(command_probe), NOT_GOOD);
	assert_string_equal(printed, "0x000003FA PKG_C7_RESIDENCY: not on CPUs 0-1,5\n"
				     "0x01234567 not on CPU 5\n");
}

TEST(prune_leaves_out_what_no_cpu_has, make_node, forget_node)
{
	refuse(0x3FA, 0, -EIO);
	refuse(0x3FA, 1, -EIO);
	refuse(0x3FA, 5, -EIO);
	refuse(0x1234567, 5, -EIO);
	options.prune = true;
	assert_int_equal(run(command_probe), GOOD);
	assert_null(strstr(printed, "0x000003FA"));
	assert_non_null(strstr(printed, "0x00000010 0x0000000000000000 # TIME_STAMP_COUNTER"));
	assert_non_null(strstr(printed, "0x00000199 0x000000000000FFFF # PERF_CTL"));
	assert_non_null(strstr(printed, "0x01234567 0x0000000000000000\n"));
	assert_non_null(strstr(said, "0x000003FA PKG_C7_RESIDENCY: not on CPUs 0-1,5\n"));
}

TEST(what_was_not_read_is_not_lacking, make_node, forget_node)
{
	refuse(0x199, 1, -ENXIO);
	options.prune = true;
	assert_int_equal(run(command_probe), NOT_GOOD);
	assert_non_null(strstr(printed, "0x00000199"));
	assert_non_null(strstr(said, "0x00000199, CPU 1: No such device or address"));
}

TEST(a_batch_that_fails_is_said, make_node, forget_node)
{
	batch_errno = ENOPROTOOPT;
	options.prune = true;
	assert_int_equal(run(command_probe), NOT_GOOD);
	assert_string_equal(printed, "");
	assert_non_null(strstr(said, "/dev/cpu/msr_batch"));
}

TEST(a_processor_is_known_by_its_maker_and_signature, make_node, forget_node)
{
	static const struct {
		const char *maker;
		unsigned int signature, family, model;
		const char *key;
	} processors[] = {
		{ "intel", 0x000206D7, 0x06, 0x2D, "06_2D" },
		{ "intel", 0x000806F8, 0x06, 0x8F, "06_8F" },
		{ "amd", 0x00830F10, 0x17, 0x31, "17_31" },
		{ "amd", 0x00A00F11, 0x19, 0x01, "19_01" },
		{ "amd", 0x00B00F21, 0x1A, 0x02, "1A_02" },
		{ "intel", 0x00000F43, 0x0F, 0x04, NULL },
		{ "intel", 0x00A00F11, 0x19, 0x01, NULL }, /* another maker's */
		{ "amd", 0x000806F8, 0x06, 0x8F, NULL },
		{ "", 0x000806F8, 0x06, 0x8F, NULL },
	};
	struct processor one;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(processors); i++) {
		one = processor_of(&options.tables, msr_safe_processor_of(processors[i].maker,
									  processors[i].signature));
		assert_int_equal(one.family, processors[i].family);
		assert_int_equal(one.model, processors[i].model);
		assert_int_equal(!one.known, !processors[i].key);
		if (one.known)
			assert_string_equal(one.known->key, processors[i].key);
	}
}
