// SPDX-License-Identifier: GPL-2.0-only

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/array.h"
#include "../../lib/processor.h"
#include "energy.h"

/* SDM volume 3, "RAPL Interfaces"; SDM volume 4, chapter 2 */
#define INTEL_UNIT 0x606
/* PPR of families 17h, 19h and 1Ah, "MSR Registers" */
#define AMD_UNIT 0xC0010299

struct domain {
	const char *name;
	uint32_t msr;
	bool each_core;
};

static const struct domain intel_domains[] = {
	{ "package", 0x611, false }, { "cores", 0x639, false },	   { "graphics", 0x641, false },
	{ "dram", 0x619, false },    { "platform", 0x64D, false },
};

static const struct domain amd_domains[] = {
	{ "package", 0xC001029B, false },
	{ "cores", 0xC001029A, true },
};

/*
 * Where the model, not the register of units, tells the unit of a domain: Linux,
 * arch/x86/events/rapl.c, and tools/power/x86/turbostat for Granite Rapids.
 */
static double fixed_unit(const struct processor_id *id, const char *domain)
{
	static const unsigned char dram_models[] = {
		0x3F, 0x4F, 0x56, 0x57, 0x85, 0x55, 0x6A, 0x6C
	};
	static const unsigned char platform_models[] = { 0x8F, 0xCF, 0xAD, 0xAE };

	if (id->family != 6 || strcmp(id->maker, "intel") != 0 || id->model > 0xFF)
		return 0;
	if (strcmp(domain, "dram") == 0 && memchr(dram_models, id->model, sizeof(dram_models)))
		return 1.0 / (1 << 16);
	if (strcmp(domain, "platform") == 0 &&
	    memchr(platform_models, id->model, sizeof(platform_models)))
		return 1;
	return 0;
}

double energy_unit(uint64_t units)
{
	return units ? 1.0 / (UINT32_C(1) << (units >> 8 & 0x1F)) : 0;
}

double energy_longest_interval(double unit)
{
	return unit * 4294967296.0 / MOST_WATTS;
}

static void *add(void *array, unsigned int count, size_t size)
{
	array = array_with_room(array, count, size);
	if (!array)
		err(1, "counters of energy");
	return array;
}

static unsigned int add_meter(struct energy *energy, const char *domain, const struct place *place)
{
	energy->meters = add(energy->meters, energy->nr_meters, sizeof(struct meter));
	energy->meters[energy->nr_meters] = (struct meter){
		.domain = domain,
		.package = place->package,
		.die = place->die,
	};
	return energy->nr_meters++;
}

static void add_counter(struct energy *energy, struct reads *reads, unsigned int cpu, uint32_t msr,
			struct counter counter)
{
	counter.op = reads_add(reads, cpu, msr);
	energy->counters = add(energy->counters, energy->nr_counters, sizeof(struct counter));
	energy->counters[energy->nr_counters++] = counter;
}

/* Without the tables, or for a model that they do not know, any processor may have any register. */
static bool may_have(const struct msr_safe_registers *registers, uint32_t msr)
{
	struct msr_safe_register reg;

	return !registers || (!msr_safe_registers_at(registers, msr, &reg) && !reg.foreign);
}

/* The counters of a package, or of a die of it, which begins at a place */
static void add_die(struct energy *energy, const struct topology *topology, unsigned int first,
		    struct reads *reads, const struct processor_id *id,
		    const struct msr_safe_registers *registers)
{
	bool intel = strcmp(id->maker, "intel") == 0;
	const struct domain *domains = intel ? intel_domains : amd_domains;
	size_t count = intel ? sizeof(intel_domains) / sizeof(*intel_domains) :
			       sizeof(amd_domains) / sizeof(*amd_domains);
	const struct place *place = &topology->places[first];
	struct counter counter = {
		.unit_op = reads_add(reads, place->cpu, intel ? INTEL_UNIT : AMD_UNIT),
		.core = -1,
	};
	size_t d;
	unsigned int i;

	for (d = 0; d < count; d++) {
		if (!may_have(registers, domains[d].msr))
			continue;
		counter.meter = add_meter(energy, domains[d].name, place);
		counter.fixed_unit = fixed_unit(id, domains[d].name);
		if (!domains[d].each_core) {
			add_counter(energy, reads, place->cpu, domains[d].msr, counter);
			continue;
		}
		for (i = first; i < topology->count; i++) {
			if (i > first && is_first_of_die(topology, i))
				break;
			if (!is_first_of_core(topology, i))
				continue;
			counter.core = topology->places[i].core;
			add_counter(energy, reads, topology->places[i].cpu, domains[d].msr,
				    counter);
		}
	}
}

int energy_init(struct energy *energy, const struct topology *topology, struct reads *reads)
{
	struct processor_id id = msr_safe_processor_here();
	struct msr_safe_registers *registers;
	unsigned int i;

	*energy = (struct energy){ 0 };
	if (strcmp(id.maker, "intel") && strcmp(id.maker, "amd") && strcmp(id.maker, "hygon")) {
		warnx("the energy counters of this processor are not known");
		return -1;
	}
	/* The Atoms of the Silvermont and Airmont families have the unit in another form. */
	if (strcmp(id.maker, "intel") == 0 && id.family == 6 &&
	    memchr("\x37\x4A\x4C\x4D\x5A", (int)id.model, 5)) {
		warnx("an Atom of model 0x%X: its unit of energy is not known", id.model);
		return -1;
	}
	msr_safe_registers_read(&registers, getenv("MSR_ALLOWLISTS"), NULL, NULL);
	for (i = 0; i < topology->count; i++)
		if (is_first_of_die(topology, i))
			add_die(energy, topology, i, reads, &id, registers);
	msr_safe_registers_free(registers);
	energy_mark(energy);
	return 0;
}

static void note_unlisted(struct energy *energy, uint32_t msr)
{
	unsigned int i;

	for (i = 0; i < energy->nr_unlisted; i++)
		if (energy->unlisted[i] == msr)
			return;
	if (i < sizeof(energy->unlisted) / sizeof(*energy->unlisted))
		energy->unlisted[energy->nr_unlisted++] = msr;
}

/* What a counter tells of the time since the read before */
static void update_counter(struct energy *energy, struct counter *counter,
			   const struct reads *reads, double time, struct meter *step)
{
	const struct msr_batch_op *op = &reads->ops[counter->op];
	const struct msr_batch_op *unit_op = &reads->ops[counter->unit_op];
	double unit = counter->fixed_unit, longest;

	/* A core that is offline uses nothing. */
	if (op->err == -ENXIO && counter->core >= 0)
		return;
	if (op->err == -EACCES)
		note_unlisted(energy, op->msr);
	if (!unit && unit_op->err == -EACCES)
		note_unlisted(energy, unit_op->msr);
	if (!unit)
		unit = unit_op->err ? 0 : energy_unit(unit_op->msrdata);
	if (op->err || !unit) {
		step->good = false;
		return;
	}
	longest = energy_longest_interval(unit);
	if (!energy->longest || longest < energy->longest)
		energy->longest = longest;
	step->seen = true;
	if (counter->known && time - counter->time <= longest) {
		step->used += (uint32_t)(op->msrdata - counter->value) * unit;
		step->seconds = time - counter->time;
	} else {
		step->gaps += counter->known;
		step->good = false;
	}
	counter->known = true;
	counter->value = op->msrdata;
	counter->time = time;
}

void energy_update(struct energy *energy, const struct reads *reads, double time)
{
	struct meter *meter, step;
	unsigned int i, c = 0;

	/* The counters of a meter stand together. */
	for (i = 0; i < energy->nr_meters; i++) {
		meter = &energy->meters[i];
		step = (struct meter){ .good = true };
		for (; c < energy->nr_counters && energy->counters[c].meter == i; c++)
			update_counter(energy, &energy->counters[c], reads, time, &step);
		meter->good = meter->good && step.good;
		meter->seconds += step.seconds;
		meter->used += step.used;
		meter->joules += step.used;
		meter->gaps += step.gaps;
		meter->seen = meter->seen || step.seen;
	}
}

void energy_mark(struct energy *energy)
{
	unsigned int i;

	for (i = 0; i < energy->nr_meters; i++) {
		energy->meters[i].good = true;
		energy->meters[i].seconds = 0;
		energy->meters[i].used = 0;
	}
}

static void retarget(struct msr_batch_op *op, const struct meter *meter, int core,
		     const struct topology *topology)
{
	unsigned int i;

	if (op->err != -ENXIO)
		return;
	for (i = 0; i < topology->count; i++) {
		const struct place *place = &topology->places[i];

		if (place->package == meter->package && place->die == meter->die &&
		    (core < 0 || place->core == core)) {
			op->cpu = place->cpu;
			return;
		}
	}
}

void energy_retarget(struct energy *energy, const struct topology *topology, struct reads *reads)
{
	unsigned int i;

	for (i = 0; i < energy->nr_counters; i++) {
		const struct counter *counter = &energy->counters[i];
		const struct meter *meter = &energy->meters[counter->meter];

		retarget(&reads->ops[counter->unit_op], meter, -1, topology);
		retarget(&reads->ops[counter->op], meter, counter->core, topology);
	}
}

bool energy_found(const struct energy *energy, const struct reads *reads)
{
	const struct msr_batch_op *unit_op;
	unsigned int i;

	for (i = 0; i < energy->nr_meters; i++)
		if (energy->meters[i].seen)
			return true;
	if (energy->nr_unlisted) {
		energy_say_unlisted(energy);
		return false;
	}
	unit_op = energy->nr_counters ? &reads->ops[energy->counters[0].unit_op] : NULL;
	if (unit_op && !unit_op->err && !unit_op->msrdata)
		warnx("register 0x%" PRIX32
		      " of CPU %u is 0, as in virtual machines: there is no unit "
		      "of energy, and no power to show",
		      unit_op->msr, unit_op->cpu);
	else
		warnx("the processor has no energy counters");
	return false;
}

void energy_say_unlisted(const struct energy *energy)
{
	unsigned int i;

	if (!energy->nr_unlisted)
		return;
	warnx("the allowlist lacks registers of energy; an administrator can add these lines:");
	for (i = 0; i < energy->nr_unlisted; i++)
		warnx("0x%08" PRIX32 " 0x0000000000000000", energy->unlisted[i]);
}

void energy_free(struct energy *energy)
{
	free(energy->meters);
	free(energy->counters);
	*energy = (struct energy){ 0 };
}
