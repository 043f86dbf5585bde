// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPUs that a job has on this node. Slurm numbers CPUs by their place: sockets in the order of
 * their first CPUs, the cores of each likewise, and the threads of a core. The kernel's numbers of
 * them are in sysfs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <slurm/slurm.h>

#include "../../lib/libmsrsafe.h"
#include "job_cpus.h"

/* A CPU, and the first CPUs of its package and its core */
struct place {
	unsigned int package;
	unsigned int core;
	unsigned int cpu;
};

static int compare(const void *a, const void *b)
{
	const struct place *one = a, *other = b;

	if (one->package != other->package)
		return one->package < other->package ? -1 : 1;
	if (one->core != other->core)
		return one->core < other->core ? -1 : 1;
	return one->cpu < other->cpu ? -1 : one->cpu > other->cpu;
}

/* The first CPU of a set that a file of sysfs has; 0 if it cannot be read. */
static bool read_first(unsigned int cpu, const char *name, unsigned int *first)
{
	char path[96], line[4096];
	struct msr_safe_cpus set;
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/%s", cpu, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	good = fgets(line, sizeof(line), file);
	fclose(file);
	if (!good)
		return false;
	line[strcspn(line, "\n")] = '\0';
	if (msr_safe_cpus_parse(&set, line))
		return false;
	*first = msr_safe_cpus_next(&set, 0);
	return true;
}

/* All CPUs by place. Returns their number; 0 if the kernel does not say. */
static unsigned int read_places(struct place *places, const struct msr_safe_cpus *online)
{
	unsigned int count = 0, cpu;

	msr_safe_for_each_cpu(cpu, online)
	{
		struct place *place = &places[count++];

		place->cpu = cpu;
		/* package_cpus_list came with Linux 5.3; before that it had another name. */
		if (!read_first(cpu, "package_cpus_list", &place->package) &&
		    !read_first(cpu, "core_siblings_list", &place->package))
			return 0;
		if (!read_first(cpu, "thread_siblings_list", &place->core))
			return 0;
	}
	qsort(places, count, sizeof(*places), compare);
	return count;
}

static bool ask_slurm(uint32_t job, char *list, size_t size)
{
	const char *node = getenv("SLURMD_NODENAME");
	job_info_msg_t *answer = NULL;
	char host[256] = "";
	bool found = false;

	if (!node) {
		gethostname(host, sizeof(host) - 1);
		host[strcspn(host, ".")] = '\0';
		node = host;
	}
	if (slurm_load_job(&answer, job, SHOW_DETAIL))
		return false;
	if (answer->record_count && answer->job_array[0].job_resrcs)
		found = !slurm_job_cpus_allocated_str_on_node(list, size,
							      answer->job_array[0].job_resrcs,
							      node);
	slurm_free_job_info_msg(answer);
	return found && *list;
}

static char *print(const struct msr_safe_cpus *set)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	msr_safe_cpus_print(stream, set);
	return fclose(stream) ? NULL : text;
}

char *job_cpus(uint32_t job, const char **why)
{
	struct msr_safe_cpus by_place, online, found = { 0 };
	struct place *places = NULL;
	char list[16384] = "";
	unsigned int count, nr;
	char *text = NULL;

	*why = "Slurm does not say which CPUs the job has";
	if (!ask_slurm(job, list, sizeof(list)) || msr_safe_cpus_parse(&by_place, list))
		return NULL;
	*why = "the kernel does not say where its CPUs are";
	if (msr_safe_cpus_online(&online))
		return NULL;
	places = calloc(msr_safe_cpus_count(&online) + 1, sizeof(*places));
	count = places ? read_places(places, &online) : 0;
	msr_safe_for_each_cpu(nr, &by_place)
	{
		if (nr >= count) {
			count = 0;
			break;
		}
		msr_safe_cpus_add(&found, places[nr].cpu);
	}
	if (count)
		text = print(&found);
	free(places);
	return text;
}
