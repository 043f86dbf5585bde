// SPDX-License-Identifier: GPL-2.0-only

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/processor.h"
#include "say.h"
#include "topology.h"

/* A number of sysfs; 0 if it is not there, or negative as the kernel has it for none */
static int read_id(unsigned int cpu, const char *name)
{
	char path[96];
	int id = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/%s", cpu, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%d", &id) != 1 || id < 0)
		id = 0;
	fclose(file);
	return id;
}

static int compare(const void *a, const void *b)
{
	const struct place *one = a, *other = b;

	if (one->package != other->package)
		return one->package < other->package ? -1 : 1;
	if (one->die != other->die)
		return one->die < other->die ? -1 : 1;
	if (one->core != other->core)
		return one->core < other->core ? -1 : 1;
	return one->cpu < other->cpu ? -1 : one->cpu > other->cpu;
}

int topology_read(struct topology *topology)
{
	bool dies = strcmp(msr_safe_processor_here().maker, "intel") == 0;
	struct msr_safe_cpus online;
	unsigned int cpu;
	int code;

	*topology = (struct topology){ 0 };
	code = online_cpus(&online);
	if (code)
		return code;
	topology->places = calloc(msr_safe_cpus_count(&online) + 1, sizeof(struct place));
	if (!topology->places) {
		warn("topology");
		return -ENOMEM;
	}
	msr_safe_for_each_cpu(cpu, &online) topology->places[topology->count++] = (struct place){
		.cpu = cpu,
		.package = read_id(cpu, "physical_package_id"),
		.die = dies ? read_id(cpu, "die_id") : 0,
		.core = read_id(cpu, "core_id"),
	};
	qsort(topology->places, topology->count, sizeof(struct place), compare);
	return 0;
}

void topology_free(struct topology *topology)
{
	free(topology->places);
	*topology = (struct topology){ 0 };
}

bool is_first_of_die(const struct topology *topology, unsigned int i)
{
	const struct place *place = &topology->places[i];

	return i == 0 || place[-1].package != place->package || place[-1].die != place->die;
}

bool is_first_of_core(const struct topology *topology, unsigned int i)
{
	return is_first_of_die(topology, i) ||
	       topology->places[i - 1].core != topology->places[i].core;
}
