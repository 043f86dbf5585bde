// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening and closing; registers past the module; CPUs that come and go.
 */

#include <grp.h>
#include <sched.h>
#include <sys/sysmacros.h>

#include "sequential.h"

static struct node nodes[2 * MAX_CPUS + 8];
static unsigned int nr_nodes;

/* Opening and closing */

static const char *node_path(unsigned int cpu)
{
	static char path[40];

	snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", cpu);
	return path;
}

static void add_node(enum device device, unsigned int cpu, bool leaves, const char *path)
{
	struct node *node = &nodes[nr_nodes++];

	*node = (struct node){ .device = device, .cpu = cpu, .leaves = leaves, .mode = 0600 };
	snprintf(node->path, sizeof(node->path), "%s", path);
}

/* The groups of the classes are the numbers after this one. */
#define CLASS_GID 5000

/* Whether the module was loaded with them */
static bool classes;

/* Nodes of CPUs that stay when the CPU goes, and of CPUs that there are not */
static bool add_own_node(unsigned int major, unsigned int cpu)
{
	char path[40];

	snprintf(path, sizeof(path), "/tmp/fuzz_cpu%u", cpu);
	unlink(path);
	add_node(CPU, cpu, false, path);
	return !mknod(path, S_IFCHR | 0600, makedev(major, cpu));
}

bool make_nodes(void)
{
	static const unsigned int no_cpus[] = { 63, 8192, 70000 };
	unsigned int cpu;
	char path[40];
	struct stat st;

	nr_nodes = 0;
	if (stat(node_path(0), &st))
		return false;
	for (cpu = 0; cpu < model.nr_cpus; cpu++) {
		add_node(CPU, cpu, true, node_path(cpu));
		if (!add_own_node(major(st.st_rdev), cpu))
			return false;
	}
	for (cpu = 0; cpu < ARRAY_SIZE(no_cpus); cpu++)
		if (!add_own_node(major(st.st_rdev), no_cpus[cpu]))
			return false;
	add_node(BATCH, 0, false, BATCH_PATH);
	add_node(BATCH, 0, false, "/dev/cpu/msr_sample");
	nodes[nr_nodes - 1].samples = true;
	add_node(LIST, 0, false, LIST_PATH);
	classes = access(LIST_PATH "_5001", F_OK) == 0;
	for (cpu = 1; classes && cpu < NR_LISTS; cpu++) {
		snprintf(path, sizeof(path), LIST_PATH "_%u", CLASS_GID + cpu);
		add_node(LIST, 0, false, path);
		nodes[nr_nodes - 1].list_nr = cpu;
	}
	add_node(VERSION, 0, false, "/dev/cpu/msr_safe_version");
	add_node(VERSION, 0, false, "/dev/cpu/msr_version");
	for (cpu = 0; cpu < nr_nodes; cpu++)
		if (chmod(nodes[cpu].path, nodes[cpu].mode))
			return false;
	return true;
}

void remove_nodes(void)
{
	unsigned int i;

	for (i = 0; i < nr_nodes; i++)
		if (!strncmp(nodes[i].path, "/tmp/", 5))
			unlink(nodes[i].path);
}

static bool is_present(const struct node *node)
{
	return node->device != CPU || (node->cpu < model.nr_cpus && model.online[node->cpu]);
}

static struct node *random_node(void)
{
	unsigned int kind = below(&rng, 8);
	struct node *node;

	do
		node = &nodes[below(&rng, nr_nodes)];
	while (kind < 2 ? node->device != BATCH : kind == 2 ? node->device != LIST : false);
	return node;
}

/* Those who open devices */
struct opener {
	bool as_user; /* of no rights; else root */
	unsigned int uid;
	unsigned int gid;
	unsigned int other_gid; /* a supplementary group, or 0 */
	bool rawio;
};

static struct opener random_opener(void)
{
	static const unsigned int gids[] = { 1000, CLASS_GID + 1, CLASS_GID + 2 };
	static const unsigned int other_gids[] = { 0, 0, CLASS_GID + 1, CLASS_GID + 2 };
	struct opener opener = { .as_user = one_in(&rng, 2), .rawio = model.rawio };

	if (opener.as_user) {
		opener.uid = 1000 + below(&rng, 2);
		opener.gid = pick(&rng, gids);
		opener.rawio = false;
	} else if (one_in(&rng, 8)) {
		opener.gid = pick(&rng, gids);
	}
	if (classes)
		opener.other_gid = pick(&rng, other_gids);
	return opener;
}

/* Root's permissions do not depend on its groups. */
static void become(const struct opener *opener)
{
	gid_t gid = opener->other_gid;

	if (setgroups(gid ? 1 : 0, &gid) || setresgid(-1, opener->gid, -1) ||
	    setresuid(opener->uid, opener->uid, 0))
		abort();
}

static void become_root(void)
{
	if (setresuid(0, 0, 0) || setresgid(0, 0, 0) || setgroups(0, NULL))
		abort();
	set_rawio(model.rawio);
}

/* Return: the number of the list, or -1 for one who has none. */
static int list_of(const struct opener *opener)
{
	unsigned int nr;

	if (!classes || !opener->as_user)
		return 0;
	for (nr = 1; nr < NR_LISTS; nr++)
		if (opener->gid == CLASS_GID + nr || opener->other_gid == CLASS_GID + nr)
			return nr;
	return -1;
}

static void expect_open(const struct node *node, int flags, const struct opener *opener,
			struct answers *answers)
{
	bool as_user = opener->as_user;
	bool to_read = (flags & O_ACCMODE) != O_WRONLY;
	bool to_write = (flags & O_ACCMODE) != O_RDONLY;

	if (node->leaves && !is_present(node))
		may_fail(answers, ENOENT);
	else if (as_user && ((to_read && !(node->mode & 04)) || (to_write && !(node->mode & 02))))
		may_fail(answers, EACCES);
	else if (!is_present(node))
		may_fail(answers, ENXIO);
	if ((node->device == CPU || node->device == BATCH) && list_of(opener) < 0)
		may_fail(answers, EACCES);
}

void close_one(struct handle *handle)
{
	struct answers answers = { .success = true };

	begin(CLOSE, handle, NULL, 0, 0);
	answered(&answers, close(handle->fd), errno);
	if (handle->list)
		list_put(handle->list);
	*handle = handles[--nr_handles];
}

void open_one(void)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR };
	static const int more[] = { O_APPEND, O_NONBLOCK, O_CLOEXEC, O_SYNC };
	const struct node *node = random_node();
	int flags = pick(&rng, modes);
	struct opener opener = random_opener();
	struct answers answers = { 0 };
	struct handle *handle;
	int fd, err;

	if (nr_handles == NR_HANDLES)
		close_one(&handles[below(&rng, nr_handles)]);
	if (one_in(&rng, 4))
		flags |= pick(&rng, more);
	handle = &handles[nr_handles];
	*handle = (struct handle){
		.node = node,
		.flags = flags,
		.list_nr = list_of(&opener) < 0 ? 0 : list_of(&opener),
		.publications = model.publications,
		.privileged = opener.rawio,
		.of_root = !opener.as_user,
		.uid = opener.uid,
	};
	begin(OPEN, handle, NULL, 0, 0);
	note("flags %#x as user %u, groups %u %u, list %d", flags, opener.uid, opener.gid,
	     opener.other_gid, list_of(&opener));
	expect_open(node, flags, &opener, &answers);
	become(&opener);
	errno = 0;
	fd = open(node->path, flags);
	err = errno;
	become_root();
	if (!answers.nr_errs)
		succeeds(&answers, fd);
	answered(&answers, fd, err);
	if (fd < 0)
		return;
	handle->fd = fd;
	if (node->device == LIST)
		handle->list = list_get(model.lists[node->list_nr]);
	nr_handles++;
}

void change_mode(void)
{
	static const unsigned int modes[] = { 0600, 0604, 0602, 0606, 0666, 0660, 0444, 0 };
	struct node *node = random_node();

	if (node->leaves && !is_present(node))
		return;
	begin(CHMOD, NULL, NULL, 0, 0);
	node->mode = pick(&rng, modes);
	note("%s %o", node->path, node->mode);
	answered(&(struct answers){ .success = true }, chmod(node->path, node->mode), errno);
}

/* Registers */

static uint64_t *model_register(unsigned int cpu, unsigned int i)
{
	return i < NR_STORES ? &model.store[cpu][i] : &model.pkrs[cpu];
}

static void check_register(unsigned int cpu, unsigned int i)
{
	uint32_t msr = i < NR_STORES ? STORE_ADDR(i) : PKRS;
	uint64_t value;

	stats->calls[PEEK]++;
	if (!stock(cpu, msr, &value, false))
		mismatch("the kernel's driver does not read %#x of CPU %u", msr, cpu);
	else if (value != *model_register(cpu, i))
		mismatch("%#x of CPU %u is %#" PRIx64 ", expected %#" PRIx64, msr, cpu, value,
			 *model_register(cpu, i));
}

void check_registers(unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i <= NR_STORES && model.online[cpu]; i++)
		check_register(cpu, i);
}

void check_some_register(void)
{
	unsigned int cpu = below(&rng, model.nr_cpus);

	begin(PEEK, NULL, NULL, 0, 0);
	if (model.online[cpu])
		check_register(cpu, below(&rng, NR_STORES + 1));
}

void change_register(void)
{
	unsigned int cpu = below(&rng, model.nr_cpus), i = below(&rng, NR_STORES);
	uint64_t value = rnd_value(&rng) & writable_bits(STORE_ADDR(i));

	if (!model.online[cpu])
		return;
	begin(POKE, NULL, NULL, 0, STORE_ADDR(i));
	stats->calls[POKE]++;
	model.store[cpu][i] = value;
	if (!stock(cpu, STORE_ADDR(i), &value, true))
		mismatch("the kernel's driver does not write");
}

/* CPUs */

/* What the kernel says that it is, with CPUs that are offline */
static void learn_mask(void)
{
	FILE *file = fopen("/proc/thread-self/status", "r");
	unsigned long long mask = 0;
	unsigned int cpu;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Cpus_allowed: %llx", &mask) == 1)
			break;
	if (!mask)
		abort();
	fclose(file);
	for (cpu = 0; cpu < model.nr_cpus; cpu++)
		model.in_mask[cpu] = mask >> cpu & 1;
	sessions_look();
}

/* Calls come from this CPU, or with some others from where the kernel likes. */
void come_from(unsigned int cpu, bool alone)
{
	uint64_t others = alone ? 0 : rnd(&rng);
	cpu_set_t set;
	unsigned int i;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	for (i = 0; i < model.nr_cpus; i++)
		if (others >> i & 1)
			CPU_SET(i, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		mismatch("sched_setaffinity");
	learn_mask();
}

void move_home(void)
{
	unsigned int cpu = below(&rng, model.nr_cpus);

	if (!model.online[cpu])
		return;
	begin(MOVE, NULL, NULL, 0, cpu);
	stats->calls[MOVE]++;
	home = cpu;
	/* Mostly, but not always, on the CPU that the calls are for */
	come_from(one_in(&rng, 8) ? 0 : home, !one_in(&rng, 4));
}

/* The caller is one who may open the kernel's own driver, or not. */
void change_rights(void)
{
	begin(MOVE, NULL, NULL, 0, 0);
	model.rawio = !model.rawio;
	note("CAP_SYS_RAWIO %d", model.rawio);
	set_rawio(model.rawio);
	sessions_look();
}

void learn_registers(unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i <= NR_STORES; i++)
		stock(cpu, i < NR_STORES ? STORE_ADDR(i) : PKRS, model_register(cpu, i), false);
}

void toggle_cpu(void)
{
	unsigned int cpu, i;
	int err;

	if (model.nr_cpus < 2)
		return;
	cpu = 1 + below(&rng, model.nr_cpus - 1);
	begin(HOTPLUG, NULL, NULL, 0, cpu);
	note("%s", model.online[cpu] ? "off" : "on");
	if (home == cpu) {
		home = 0;
		come_from(0, true);
	}
	err = set_online(cpu, !model.online[cpu]);
	if (err) {
		/* On a busy machine an emulated CPU may come too late for the kernel. */
		printf("# CPU %u stays as it is: %s\n", cpu, errno_name(-err));
		sessions_lose_cpu(cpu);
		return;
	}
	stats->calls[HOTPLUG]++;
	stats->hotplugs++;
	model.online[cpu] = !model.online[cpu];
	sessions_lose_cpu(cpu);
	learn_mask();
	/* The node of a CPU that returns is a new one. */
	for (i = 0; i < nr_nodes; i++)
		if (nodes[i].leaves && nodes[i].cpu == cpu)
			nodes[i].mode = 0600;
	if (!model.online[cpu])
		return;
	if (!values_survive)
		learn_registers(cpu);
	check_registers(cpu);
}

void toggle_parameter(void)
{
	stats->calls[PARAM]++;
	model.check_version = !model.check_version;
	if (write_file(PARAMETERS "check_batch_version", model.check_version ? "1" : "0"))
		mismatch("check_batch_version cannot be set");
}

/*
 * It has the kernel change code, which the emulator does not bear while other CPUs execute
 * that: they do not, as only this task makes calls.
 */
void set_own_cpus_only(bool on)
{
	begin(PARAM, NULL, NULL, 0, 0);
	note("own_cpus_only %d", on);
	stats->calls[PARAM]++;
	if (write_file(PARAMETERS "own_cpus_only", on ? "1" : "0"))
		mismatch("own_cpus_only cannot be set");
	model.own_cpus_only = on;
	sessions_look();
}
