// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts arm64's TLB invalidations by broadcast, and by where
 * they are. The guest's program executes a marker instruction where it wants the
 * counts; they are added to a file, a line for each instruction that there is:
 *
 *   at <address> <how often it has been executed>
 *   mark
 *
 * Those of a user mapping are left out: Linux names an ASID for them, and for no
 * others. An instruction counts as one, be it of a page or of everything.
 *
 * Argument: out=<file>
 *
 * For "-accel tcg,thread=single": it takes no lock.
 */
#include <stdio.h>
#include <string.h>

#include "plugin.h"

#define MAX_SITES 256

static struct site {
	uint64_t address, count;
} sites[MAX_SITES];

static unsigned int nr_sites;
static FILE *out;

/*
 * SYS with CRn 8, or 9 with FEAT_XS: TLBI. CRm is 3 for inner shareable, 2 for a
 * range; 1 and 5 are the same for outer shareable. Of EL1 or, with VHE, of EL2.
 */
static bool is_of_kernel(uint32_t insn)
{
	/* By op2: not by VA and ASID (1; 5: last level only), nor by ASID (2). */
	static const bool no_asid[8] = {
		true, false, false, true, true, false, true, true
	};
	unsigned int op1 = insn >> 16 & 7, crn = insn >> 12 & 15;
	unsigned int crm = insn >> 8 & 15, op2 = insn >> 5 & 7;

	return (insn & 0xfff80000) == 0xd5080000 && (op1 == 0 || op1 == 4) &&
	       (crn == 8 || crn == 9) &&
	       (crm == 1 || crm == 2 || crm == 3 || crm == 5) && no_asid[op2];
}

static struct site *site_at(uint64_t address)
{
	unsigned int i;

	for (i = 0; i < nr_sites; i++)
		if (sites[i].address == address)
			return &sites[i];
	if (nr_sites == MAX_SITES) {
		fprintf(out, "too many sites\n");
		return NULL;
	}
	sites[nr_sites].address = address;
	return &sites[nr_sites++];
}

static void invalidated(unsigned int cpu, void *site)
{
	((struct site *)site)->count++;
}

static void marked(unsigned int cpu, void *data)
{
	unsigned int i;

	for (i = 0; i < nr_sites; i++)
		fprintf(out, "at %lx %lu\n", sites[i].address, sites[i].count);
	fprintf(out, "mark\n");
	fflush(out);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;

	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		struct site *site = NULL;
		uint32_t code = 0;

		qemu_plugin_insn_data(insn, &code, sizeof(code));
		if (is_of_kernel(code))
			site = site_at(qemu_plugin_insn_vaddr(insn));
		if (site)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, invalidated,
					QEMU_PLUGIN_CB_NO_REGS, site);
		else if (code == (0xd2800000 | 0x6d61 << 5 | 31))
			/* mov xzr, #0x6d61 */
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked,
					QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
			       int argc, char **argv)
{
	if (argc == 1 && !strncmp(argv[0], "out=", 4))
		out = fopen(argv[0] + 4, "w");
	if (!out || strcmp(info->target_name, "aarch64")) {
		fprintf(stderr, "qemu_tlbi: needs out=, and an arm64 guest\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
