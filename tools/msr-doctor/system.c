// SPDX-License-Identifier: GPL-2.0-only
/*
 * What installs and starts the module, and what else writes registers.
 */

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

void check_dkms(struct node *node)
{
	char command[256], text[256];

	if (access("/var/lib/dkms/msr-safe", F_OK)) {
		note("dkms",
		     "it does not build the module: after an update of the kernel, someone has to");
		return;
	}
	snprintf(command, sizeof(command),
		 "dkms status msr-safe 2>/dev/null | grep -F '%s' | grep installed", node->release);
	if (first_output(command, text, sizeof(text))) {
		good("dkms", "%s", text);
	} else {
		problem("dkms", "it has not built the module for kernel %s", node->release);
		fix("sudo dkms autoinstall; if that fails, see make.log below /var/lib/dkms/msr-safe");
	}
}

void check_udev(struct node *node)
{
	static const char *const places[] = { "/etc/udev/rules.d", "/run/udev/rules.d",
					      "/usr/local/lib/udev/rules.d",
					      "/usr/lib/udev/rules.d", "/lib/udev/rules.d" };
	char path[64];
	size_t i;

	(void)node;
	for (i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s/70-msr-safe.rules", places[i]);
		if (access(path, F_OK) == 0) {
			good("udev", "%s", path);
			return;
		}
	}
	note("udev",
	     "no rule gives the nodes to groups: their modes are lost when a CPU or the module "
	     "comes back");
}

void check_service(struct node *node)
{
	char enabled[64] = "", active[64] = "";

	if (access("/run/systemd/system", F_OK)) {
		note("service", "this system does not run systemd");
		return;
	}
	first_output("systemctl is-enabled msr-safe.service 2>/dev/null", enabled, sizeof(enabled));
	first_output("systemctl is-active msr-safe.service 2>/dev/null", active, sizeof(active));
	if (strcmp(active, "failed") == 0) {
		problem("service", "msr-safe.service has failed");
		fix("journalctl -u msr-safe says why; then: sudo systemctl restart msr-safe");
	} else if (!*enabled || strcmp(enabled, "not-found") == 0) {
		note("service",
		     "msr-safe.service is not installed: nothing loads the list at boot");
	} else if (strcmp(enabled, "enabled") != 0) {
		problem("service", "msr-safe.service is %s: nothing loads the list at boot",
			enabled);
		fix("sudo systemctl enable --now msr-safe");
	} else if (strcmp(active, "active") == 0 || node->loaded) {
		good("service", "msr-safe.service is enabled, and %s", active);
	} else {
		problem("service", "msr-safe.service is enabled, but %s", active);
		fix("sudo systemctl start msr-safe");
	}
}

static bool is_writable(const struct node *node, uint32_t msr)
{
	const struct msr_allowlist_entry *entry = msr_safe_allowlist_find(&node->list, msr);

	return entry && entry->wmask;
}

/* Whether the list makes any of these registers, which end with 0, writable */
static bool any_writable(const struct node *node, const uint32_t *msrs)
{
	for (; *msrs; msrs++)
		if (is_writable(node, *msrs))
			return true;
	return false;
}

/* PERF_CTL, ENERGY_PERF_BIAS, HWP_REQUEST; PStateCtl, CPPC_REQUEST */
static const uint32_t frequency[] = { 0x199, 0x1B0, 0x774, 0xC0010062, 0xC00102B3, 0 };
/* Limits of packages and memory; clock modulation */
static const uint32_t power[] = { 0x610, 0x618, 0x638, 0x65C, 0x19A, 0 };
/* PERFEVTSEL0 and the controls of fixed counters; PERF_CTL0 of AMD */
static const uint32_t counters[] = { 0x186, 0x38D, 0x38F, 0xC0010200, 0 };

static bool note_driver(const struct node *node)
{
	char driver[64];

	if (!any_writable(node, frequency) ||
	    !read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", driver,
		       sizeof(driver)))
		return false;
	note("writers",
	     "the kernel's driver %s writes registers of frequency that the list makes "
	     "writable, too",
	     driver);
	return true;
}

static bool note_perf(const struct node *node)
{
	char watchdog[8];

	if (!any_writable(node, counters) ||
	    !read_line("/proc/sys/kernel/nmi_watchdog", watchdog, sizeof(watchdog)) ||
	    watchdog[0] != '1')
		return false;
	note("writers", "the kernel's NMI watchdog uses a performance counter that the list makes "
			"writable; sysctl kernel.nmi_watchdog=0 ends that");
	return true;
}

static bool note_daemons(const struct node *node)
{
	static const struct {
		const char *process;
		const uint32_t *msrs;
	} daemons[] = {
		{ "thermald", power },
		{ "geopmd", power },
		{ "geopmd", frequency },
		{ "tuned", frequency },
		{ "power-profiles-", frequency },
		{ "tlp", frequency },
	};
	bool any = false;
	size_t i;

	for (i = 0; i < sizeof(daemons) / sizeof(*daemons); i++) {
		if (!any_writable(node, daemons[i].msrs) || !process_runs(daemons[i].process))
			continue;
		note("writers",
		     "%s runs, and writes registers of %s that the list makes writable, too",
		     daemons[i].process, daemons[i].msrs == power ? "power" : "frequency");
		any = true;
	}
	return any;
}

/* Since 5.9 the driver has allow_writes, which root alone can read. Before, it lets root write. */
static bool note_stock_driver(void)
{
	static const char parameter[] = "/sys/module/msr/parameters/allow_writes";
	char text[16];
	bool says = read_line(parameter, text, sizeof(text));

	if (says ? strcmp(text, "on") != 0 :
		   access("/sys/class/msr", F_OK) != 0 || access(parameter, F_OK) == 0)
		return false;
	note("writers", "the kernel's own msr driver is loaded%s: root writes any register by it",
	     says ? " with allow_writes=on" : "");
	return true;
}

void check_other_writers(struct node *node)
{
	bool any;

	any = note_driver(node);
	any |= note_perf(node);
	any |= note_daemons(node);
	any |= note_stock_driver();
	if (!any)
		good("writers",
		     "nothing else that is known writes registers that the list makes writable");
}
