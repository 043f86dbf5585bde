// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables of registers, the lists that are made of them, and those of contribs/:
 * that they agree, and let nothing be written that is denied. Run in the top directory.
 */

#include <ftw.h>
#include <glob.h>

#include "unit.h"

#include "../../allowlists/msr-allowlist/lint.h"
#include "../../allowlists/msr-allowlist/list.h"
#include "../../lib/tables.h"

#define LISTS "allowlists"

static struct tables tables;

#define for_each_model(model) \
	for ((model) = tables.models; (model) < tables.models + tables.nr_models; (model)++)
#define for_each_reg(reg) for ((reg) = tables.regs; (reg) < tables.regs + tables.nr_regs; (reg)++)
#define for_each_address(msr, at) for ((msr) = (at).first; (msr) <= (at).last; (msr) += (at).step)

static int read_tables(void **state)
{
	(void)state;
	return msr_safe_tables_read(&tables, LISTS, NULL) ||
	       msr_safe_tables_read_rules(&tables, LISTS, NULL);
}

static int free_tables(void **state)
{
	(void)state;
	msr_safe_tables_free(&tables);
	return 0;
}

static char *list_path(const struct model *model)
{
	static char path[64];

	snprintf(path, sizeof(path), LISTS "/al_%s", model->key);
	return path;
}

/* A list that can be read, and that the module takes */
static void read_good_list(struct list *list, const char *path)
{
	assert_int_equal(list_read(list, path), 0);
	if (list->err)
		fail_msg("%s: line %u: %s", path, list->line, list->why);
}

static void assert_tags_are_known(const char *tags, uint32_t msr)
{
	const struct model *model;
	size_t len;

	for (; *tags; tags += len, tags += strspn(tags, " ")) {
		tags += *tags == '-';
		len = strcspn(tags, " ");
		if (len == 3 && memcmp(tags, "all", 3) == 0)
			continue;
		for_each_model(model)
			if (msr_safe_has_word(model->key, tags, len) ||
			    msr_safe_has_word(model->tags, tags, len))
				break;
		if (model == tables.models + tables.nr_models)
			fail_msg("0x%" PRIX32 ": no model has the tag %.*s", msr, (int)len, tags);
	}
}

TEST(every_tag_of_a_row_is_one_of_a_model, NULL, NULL)
{
	const struct reg *reg;
	size_t i;

	for_each_reg(reg)
		assert_tags_are_known(reg->models, reg->at.first);
	for (i = 0; i < tables.nr_denials; i++)
		assert_tags_are_known(tables.denials[i].models, tables.denials[i].at.first);
}

TEST(every_row_is_of_some_model, NULL, NULL)
{
	const struct model *model;
	const struct reg *reg;

	for_each_reg(reg) {
		for_each_model(model)
			if (msr_safe_model_has(model, reg->models))
				break;
		if (model == tables.models + tables.nr_models)
			fail_msg("0x%" PRIX32 " %s is of no model", reg->at.first, reg->name);
	}
}

/* Rows of one register for one model are in force at first, or of a group of their own. */
static bool same_choice(const struct reg *one, const struct reg *other)
{
	return (one->listed && other->listed) || strcmp(one->group, other->group) == 0;
}

static bool has_another_row(const struct model *model, uint32_t msr, const struct reg *reg)
{
	const struct reg *other = NULL;

	while ((other = msr_safe_tables_reg(&tables, model, msr, other)))
		if (other != reg && same_choice(reg, other))
			return true;
	return false;
}

TEST(a_register_has_one_row_a_model, NULL, NULL)
{
	const struct model *model;
	const struct reg *reg;
	uint32_t msr;

	for_each_model(model)
		for_each_reg(reg)
			for_each_address(msr, reg->at)
				if (msr_safe_model_has(model, reg->models) &&
				    has_another_row(model, msr, reg))
					fail_msg("0x%" PRIX32 " has two rows for %s", msr,
						 model->key);
}

static bool is_group(const char *name)
{
	FILE *file = fopen(LISTS "/tables/groups", "r");
	char line[256];
	bool found = false;

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file))
		found = strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ' ';
	fclose(file);
	return found;
}

TEST(what_a_site_decides_has_a_reason, NULL, NULL)
{
	const struct reg *reg;

	for_each_reg(reg) {
		if (reg->offered ? !is_group(reg->group) : strcmp(reg->group, "-") != 0)
			fail_msg("0x%" PRIX32 " %s: group %s", reg->at.first, reg->name,
				 reg->group);
		if (!reg->listed && !reg->offered)
			fail_msg("0x%" PRIX32 " %s is in no list", reg->at.first, reg->name);
		if (reg->listed && reg->offered && reg->site == reg->on)
			fail_msg("0x%" PRIX32 " %s: nothing to decide", reg->at.first, reg->name);
	}
}

TEST(what_others_share_is_writable_only_if_the_site_decides, NULL, NULL)
{
	static const char *const scopes[] = { "thread", "core", "module", "l3", "package" };
	const struct reg *reg;
	size_t i;

	for_each_reg(reg) {
		for (i = 0; i < ARRAY_SIZE(scopes) && strcmp(reg->scope, scopes[i]) != 0; i++)
			;
		if (i == ARRAY_SIZE(scopes) || (reg->on && i > 1))
			fail_msg("0x%" PRIX32 " %s: scope %s", reg->at.first, reg->name,
				 reg->scope);
	}
}

/* Whether an energy reading, or a counter that perf programs, is in force at first */
TEST(side_channels_are_readable_only_if_the_site_decides, NULL, NULL)
{
	static const char *const kinds[] = {
		"ENERGY_STAT", "ENERGY_COUNTER", "PMON",	"PERFEVTSEL", "PMC",
		"FIXED_CTR",   "PERF_CT",	 "PERF_GLOBAL", "OFFCORE"
	};
	const struct reg *reg;
	size_t i;

	for_each_reg(reg)
		for (i = 0; i < ARRAY_SIZE(kinds); i++)
			if (strstr(reg->name, kinds[i]) && reg->listed &&
			    strcmp(reg->name, "PERF_CTL") != 0)
				fail_msg("0x%" PRIX32 " %s is listed", reg->at.first, reg->name);
}

static void assert_not_denied(const struct model *model, uint32_t msr, uint64_t mask,
			      const char *where, unsigned int line)
{
	const char *reason;
	uint64_t bits = denied_bits(&tables, model, msr, mask, &reason);

	if (bits)
		fail_msg("%s, %u: 0x%" PRIX32 ": bits 0x%" PRIX64 ": %s", where, line, msr, bits,
			 reason);
}

TEST(no_row_lets_be_written_what_is_denied, NULL, NULL)
{
	const struct model *model;
	const struct reg *reg;
	uint32_t msr;

	for_each_model(model)
		for_each_reg(reg)
			for_each_address(msr, reg->at)
				if (msr_safe_model_has(model, reg->models))
					assert_not_denied(model, msr, reg->on | reg->site,
							  model->key, 0);
}

/* Entries of a list, commented out or not, each in the form that it is written in */
static size_t written_entries(const struct list *list, bool commented,
			      struct msr_allowlist_entry *entries, size_t most)
{
	const char *line = list->text;
	size_t count = 0;

	for (; line; line = strchr(line, '\n')) {
		struct msr_allowlist_entry *entry = &entries[count];
		int len = 0;

		line += *line == '\n';
		if (commented && strncmp(line, "# ", 2) == 0)
			line += 2;
		sscanf(line, "0x%8x 0x%16llx # %n", &entry->msr, &entry->wmask, &len);
		if (len == 32) {
			count++;
			assert_true(count < most);
		}
	}
	return count;
}

TEST(no_list_lets_be_written_what_is_denied, NULL, NULL)
{
	const struct model *model;
	struct msr_allowlist_entry entries[2048];
	struct list list;
	size_t count, i;

	for_each_model(model) {
		read_good_list(&list, list_path(model));
		for (i = 0; i < list.count; i++)
			assert_not_denied(model, list.entries[i].msr, list.entries[i].wmask,
					  list.path, list.lines[i]);
		count = written_entries(&list, true, entries, ARRAY_SIZE(entries));
		assert_true(count > list.count);
		for (i = 0; i < count; i++)
			assert_not_denied(model, entries[i].msr, entries[i].wmask, list.path, 0);
		list_free(&list);
	}
}

static unsigned int contributions;

static int check_contribution(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + ftw->base, *end = strrchr(name, '.');
	unsigned int family, number;
	struct findings findings;
	struct list list;

	(void)st;
	if (type != FTW_F || (end && strcmp(end, ".md") == 0))
		return 0;
	if (sscanf(name, "al_%2x_%2x", &family, &number) != 2)
		fail_msg("%s: not named as a list, al_FAMILY_MODEL", path);
	read_good_list(&list, path);
	findings = lint(&tables, msr_safe_tables_model(&tables, family, number), &list);
	list_free(&list);
	if (findings.denied)
		fail_msg("%s: %u entries have bits that are denied", path, findings.denied);
	contributions++;
	return 0;
}

TEST(no_contribution_lets_be_written_what_is_denied, NULL, NULL)
{
	assert_int_equal(nftw("contribs", check_contribution, 8, FTW_PHYS), 0);
	print_message("# lists of sites: %u\n", contributions);
}

/* The module's own list of registers that it warns of, out of its source */
/* Bits that the table must always deny: one or more of each kind */
static const struct {
	uint32_t msr;
	uint64_t bits;
	const char *kind;
} promised[] = {
	{ 0xC0000082, UINT64_MAX, "ring 0" },
	{ 0x000001B2, UINT64_MAX, "interrupts" },
	{ 0x00000200, UINT64_MAX, "physical memory" },
	{ 0xC001001A, UINT64_MAX, "physical memory" },
	{ 0x4B564D01, UINT64_MAX, "physical memory, by KVM" },
	{ 0x0000009E, UINT64_MAX, "SMM" },
	{ 0xC0010111, UINT64_MAX, "SMM" },
	{ 0x00000079, UINT64_MAX, "microcode" },
	{ 0xC0010020, UINT64_MAX, "microcode" },
	{ 0x0000001B, UINT64_MAX, "APIC" },
	{ 0x00000830, UINT64_MAX, "APIC" },
	{ 0x0000003A, UINT64_MAX, "virtualization" },
	{ 0xC0010117, UINT64_MAX, "virtualization" },
	{ 0x000003F1, UINT64_MAX, "PEBS" },
	{ 0x000003F4, UINT64_MAX, "PEBS" },
	{ 0x00000560, UINT64_MAX, "PT" },
	{ 0x00000570, UINT64_MAX, "PT" },
	{ 0x00000600, UINT64_MAX, "DS" },
	{ 0x00000048, UINT64_MAX, "speculation" },
	{ 0x00000123, UINT64_MAX, "speculation" },
	{ 0xC0011029, UINT64_MAX, "speculation" },
	{ 0xC001011F, UINT64_MAX, "speculation" },
	{ 0x00000150, UINT64_MAX, "voltage" },
	{ 0x00000194, UINT64_MAX, "voltage" },
	{ 0xC0010064, UINT64_MAX, "voltage" },
	{ 0x000000BC, UINT64_MAX, "energy filter" },
	{ 0x00000186, 0x380000, "pin, interrupt, any thread" },
	{ 0x0000038D, 0xCCCC, "interrupt, any thread" },
	{ 0xC0010200, 0x100000, "interrupt" },
	{ 0x000000E2, 1ULL << 15, "lock" },
	{ 0x00000610, 1ULL << 63, "lock" },
	{ 0x00000618, 1ULL << 31, "lock" },
	{ 0x00000638, 1ULL << 31, "lock" },
	{ 0x00000640, 1ULL << 31, "lock" },
	{ 0x0000064B, 1ULL << 31, "lock" },
	{ 0x0000064C, 1ULL << 31, "lock" },
	{ 0x0000065C, 1ULL << 63, "lock" },
};

TEST(what_gives_the_machine_away_and_locks_are_denied, NULL, NULL)
{
	const struct model *model;
	const char *reason;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(promised); i++)
		for_each_model(model)
			if (denied_bits(&tables, model, promised[i].msr, promised[i].bits,
					&reason) != promised[i].bits)
				fail_msg("0x%" PRIX32 " is not denied: %s", promised[i].msr,
					 promised[i].kind);
}

/* The entry of a register for the model, as it is in force or commented out */
static bool among(const struct msr_allowlist_entry *entries, size_t count, uint32_t msr,
		  uint64_t mask)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (entries[i].msr == msr && entries[i].wmask == mask)
			return true;
	return false;
}

static void assert_list_is_the_tables(const struct model *model, const struct list *list)
{
	struct msr_allowlist_entry entries[2048];
	size_t count, listed = 0, written = 0;
	const struct reg *reg;
	uint32_t msr;

	count = written_entries(list, true, entries, ARRAY_SIZE(entries));
	for_each_reg(reg) {
		if (!msr_safe_model_has(model, reg->models))
			continue;
		for_each_address(msr, reg->at) {
			if (reg->listed && !among(list->entries, list->count, msr, reg->on))
				fail_msg("%s lacks 0x%" PRIX32 " %s", list->path, msr, reg->name);
			if (reg->offered && !among(entries, count, msr, reg->site))
				fail_msg("%s lacks 0x%" PRIX32 " %s for the site", list->path, msr,
					 reg->name);
			listed += reg->listed;
			written += reg->listed + reg->offered;
		}
	}
	assert_int_equal(listed, list->count);
	assert_int_equal(written, count);
}

/* What the list that is selected for a client has of a register: -1 if it has none */
static int mask_for_client(const struct list *list, uint32_t msr, uint64_t *mask)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (list->entries[i].msr == msr) {
			*mask = list->entries[i].wmask;
			return 0;
		}
	}
	return -1;
}

/* By the program, as the page says */
static void select_for(const char *client, const char *model, struct list *list)
{
	char command[128], *text = malloc(LIST_SIZE_MAX);
	FILE *selected;
	size_t size;

	assert_non_null(text);
	snprintf(command, sizeof(command),
		 "MSR_ALLOWLISTS=" LISTS " build/unit/msr-allowlist --for %s select %s", client,
		 model);
	selected = popen(command, "r");
	assert_non_null(selected);
	size = fread(text, 1, LIST_SIZE_MAX - 1, selected);
	text[size] = '\0';
	assert_int_equal(pclose(selected), 0);
	list_parse(list, client, text, size);
	assert_int_equal(list->err, 0);
}

static void compare_uses(const struct client *client, const struct model *model,
			 const struct list *list)
{
	const struct use *use;
	uint64_t mask;
	uint32_t msr;
	bool absent;

	for (use = tables.uses; use < tables.uses + tables.nr_uses; use++) {
		if (strcmp(use->client, client->name) != 0 ||
		    !msr_safe_model_has(model, use->models))
			continue;
		for_each_address(msr, use->at) {
			mask = 0;
			absent = mask_for_client(list, msr, &mask) < 0;
			if (absent != use->absent ||
			    (!absent && (use->written & ~mask) != use->left_out))
				fail_msg("%s, %s: 0x%" PRIX32 " has mask 0x%" PRIX64 "%s",
					 client->name, model->key, msr, mask,
					 absent ? ", and is not listed" : "");
		}
	}
}

TEST(what_a_list_leaves_out_of_a_clients_bits_is_what_the_table_says, NULL, NULL)
{
	const struct client *client;
	const struct model *model;
	struct list list;

	assert_in_range(tables.nr_clients, 5, 100);
	assert_in_range(tables.nr_uses, 100, 10000);
	for (client = tables.clients; client < tables.clients + tables.nr_clients; client++) {
		for_each_model(model) {
			select_for(client->name, model->key, &list);
			compare_uses(client, model, &list);
			list_free(&list);
		}
	}
}

TEST(every_client_of_a_use_has_groups, NULL, NULL)
{
	const struct use *use;

	for (use = tables.uses; use < tables.uses + tables.nr_uses; use++)
		assert_non_null(msr_safe_tables_client(&tables, use->client));
}

TEST(every_list_has_what_the_table_has_and_no_more, NULL, NULL)
{
	const struct model *model;
	struct list list;

	for_each_model(model) {
		read_good_list(&list, list_path(model));
		assert_list_is_the_tables(model, &list);
		list_free(&list);
	}
}

TEST(there_is_no_list_without_a_model, NULL, NULL)
{
	glob_t lists;

	assert_int_equal(glob(LISTS "/al_??_*", 0, NULL, &lists), 0);
	assert_int_equal(lists.gl_pathc, tables.nr_models);
	globfree(&lists);
}

/* printf 'al_%.2x%x' FAMILY MODEL */
TEST(every_list_is_written_at_once, NULL, NULL)
{
	const struct model *model;
	struct list list;
	size_t largest = 0;

	for_each_model(model) {
		read_good_list(&list, list_path(model));
		if (list.size > largest)
			largest = list.size;
		list_free(&list);
	}
	assert_in_range(largest, 1, 128 * 1024);
	print_message("# largest list: %zu bytes\n", largest);
}

TEST(lint_finds_nothing_in_any_list, NULL, NULL)
{
	const struct model *model;
	struct findings findings;
	struct list list;

	for_each_model(model) {
		read_good_list(&list, list_path(model));
		findings = lint(&tables, model, &list);
		assert_int_equal(findings.denied + findings.others, 0);
		list_free(&list);
	}
}

TEST_PROGRAM(read_tables, free_tables)
