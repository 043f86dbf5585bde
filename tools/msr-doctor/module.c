// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel, and the module in it.
 */

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/processor.h"
#include "../../lib/version.h"
#include "doctor.h"

void check_processor(struct node *node)
{
	struct processor_id id = msr_safe_processor_here();
	unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;

	(void)node;
	__get_cpuid(1, &eax, &ebx, &ecx, &edx);
	if (edx >> 5 & 1) /* SDM volume 2, CPUID: MSR */
		good("processor", "%s, family %02Xh, model %02Xh, stepping %u",
		     *id.maker ? id.maker : "another maker", id.family, id.model, eax & 0xF);
	else
		problem("processor", "it has no model-specific registers");
	if (ecx >> 31 & 1)
		note("processor",
		     "this is a virtual machine: few registers hold what the hardware does");
}

void check_lockdown(struct node *node)
{
	char text[128];

	if (!read_line("/sys/kernel/security/lockdown", text, sizeof(text))) {
		good("lockdown", "the kernel does not have it, or does not say");
	} else if (strstr(text, "[none]")) {
		good("lockdown", "none");
	} else {
		node->locked_down = true;
		note("lockdown", "the kernel is locked down: registers can only be read");
	}
}

void check_headers(struct node *node)
{
	char path[128];

	snprintf(path, sizeof(path), "/lib/modules/%s/build/Makefile", node->release);
	if (access(path, F_OK) == 0)
		good("headers", "those of kernel %s are installed", node->release);
	else
		note("headers",
		     "those of kernel %s are not installed; building the module needs them",
		     node->release);
}

/* The place of the module in modules.dep, as modprobe finds it */
static bool find_module(struct node *node)
{
	char path[128], text[4096], *end, *name;
	FILE *file;
	bool found = false;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", node->release);
	file = fopen(path, "re");
	while (file && !found && fgets(text, sizeof(text), file)) {
		end = strchr(text, ':');
		if (!end)
			continue;
		*end = '\0';
		name = strrchr(text, '/');
		name = name ? name + 1 : text;
		found = strncmp(name, "msr-safe.ko", 11) == 0;
	}
	if (file)
		fclose(file);
	if (found)
		snprintf(node->module_path, sizeof(node->module_path), "/lib/modules/%.64s/%.400s",
			 node->release, text);
	return found;
}

void check_module(struct node *node)
{
	node->loaded = access("/sys/module/msr_safe", F_OK) == 0;
	if (find_module(node)) {
		good("module", "%s", node->module_path);
	} else if (node->loaded) {
		note("module",
		     "it is loaded, but not installed for kernel %s: modprobe does not find it",
		     node->release);
	} else {
		problem("module", "there is none for kernel %s", node->release);
		fix("install the headers (linux-headers-%s, or kernel-devel), then: dkms autoinstall",
		    node->release);
		fix("or in the sources: make modules && sudo make modules_install");
	}
}

static bool secure_boot(void)
{
	static const char *const path = "/sys/firmware/efi/efivars/"
					"SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
	unsigned char variable[5] = { 0 };
	FILE *file = fopen(path, "re");
	bool on;

	if (!file)
		return false;
	/* Four bytes of attributes, and the value: UEFI specification, section 3.3 */
	on = fread(variable, sizeof(variable), 1, file) == 1 && variable[4] == 1;
	fclose(file);
	return on;
}

/* Whether the kernel takes only modules with a signature that it knows */
static bool signatures_needed(void)
{
	char text[8];

	return secure_boot() ||
	       (read_line("/sys/module/module/parameters/sig_enforce", text, sizeof(text)) &&
		text[0] == 'Y');
}

static bool is_signed(const char *path)
{
	static const char magic[] = "~Module signature appended~\n";
	char end[sizeof(magic)] = "";
	FILE *file = fopen(path, "re");
	bool found = false;

	if (file) {
		found = fseek(file, -(long)strlen(magic), SEEK_END) == 0 &&
			fread(end, strlen(magic), 1, file) == 1 && strcmp(end, magic) == 0;
		fclose(file);
	}
	return found;
}

void check_signature(struct node *node)
{
	const char *ending = strrchr(node->module_path, '.');
	bool compressed = ending && strcmp(ending, ".ko") != 0;

	if (!signatures_needed()) {
		good("signature", "the kernel takes modules without one");
	} else if (node->loaded) {
		good("signature", "the kernel needs one that it knows, and has taken the module");
	} else if (!*node->module_path || compressed) {
		note("signature",
		     "Secure Boot: the module needs one, by a key that the machine knows");
	} else if (is_signed(node->module_path)) {
		good("signature",
		     "the module has one; if the kernel does not know its key, dmesg says so");
	} else {
		problem("signature", "Secure Boot is on, and the module has none");
		fix("sudo make sign KEY=FILE CERT=FILE MODULE=%s", node->module_path);
		fix("sudo mokutil --import CERT, and confirm it at the next boot");
	}
}

void check_loaded(struct node *node)
{
	if (node->loaded) {
		good("loaded", "msr_safe is loaded");
	} else {
		problem("loaded", "the module is not loaded");
		fix("sudo systemctl enable --now msr-safe, or: sudo modprobe msr-safe");
	}
}

void check_version(struct node *node)
{
	unsigned int major, minor;
	char text[32];

	if (!node->loaded)
		return;
	if (!read_line("/sys/module/msr_safe/version", text, sizeof(text)) ||
	    sscanf(text, "%u.%u", &major, &minor) != 2) {
		problem("version", "the module does not say which it is");
		fix("sudo modprobe -r msr-safe && sudo modprobe msr-safe");
	} else if (major != MSR_SAFE_VERSION_MAJOR || minor < MSR_SAFE_VERSION_MINOR) {
		problem("version", "the module is %s, and the tools are " MSR_SAFE_VERSION_STR,
			text);
		fix("sudo dkms autoinstall, then load the module that is installed: "
		    "sudo systemctl restart msr-safe");
	} else {
		good("version", "the module is %s, and the tools are " VERSION, text);
	}
}
