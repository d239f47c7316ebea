// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts the instructions of round trips: from the first
 * one in the kernel, after user mode, to the last before it.  The guest's
 * program executes a marker instruction on CPU 0 between what it wants counted
 * apart; at each, what the other CPUs have done since the last is added to a
 * file:
 *
 *   trip <address> <number of them> <median>
 *	  <number of those that called a function> <least>
 *   mark
 *
 * Arguments: out=<file>,entry=<address>...,via=<address>...: where a trip
 * begins, and the functions that set one apart.
 *
 * Not for "-accel tcg,thread=single", as count.c says.  x86_64 only, for
 * the marker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

#define MAX_ENTRIES	8
#define MAX_VIA		8
#define MAX_MARKS	16
#define MAX_SAMPLES	4096

struct cpu {
	uint64_t	kernel;		/* instructions */
	uint64_t	start;		/* of them, when the trip began */
	int		entry;		/* of the trip, or -1 */
	bool		user, via;
};

struct samples {
	unsigned int	n;
	uint32_t	trips[MAX_SAMPLES];
};

static struct qemu_plugin_scoreboard *cpus;
static uint64_t entries[MAX_ENTRIES], via[MAX_VIA];
static unsigned int nr_entries, nr_via, marks;
static struct samples samples[MAX_MARKS][MAX_ENTRIES][2];
static FILE *out;

static void in_user(unsigned int cpu, void *data)
{
	struct cpu *c = qemu_plugin_scoreboard_find(cpus, cpu);
	struct samples *s;
	unsigned int n;

	if (c->user)
		return;
	c->user = true;
	if (!cpu || c->entry < 0 || marks >= MAX_MARKS)
		return;
	s = &samples[marks][c->entry][c->via];
	n = __atomic_fetch_add(&s->n, 1, __ATOMIC_RELAXED);
	if (n < MAX_SAMPLES)
		s->trips[n] = c->kernel - c->start;
}

/* Every block in the kernel; @data is the entry that it is, from 1, or 0. */
static void in_kernel(unsigned int cpu, void *data)
{
	struct cpu *c = qemu_plugin_scoreboard_find(cpus, cpu);

	if (!c->user)
		return;
	c->user = false;
	c->via = false;
	c->start = c->kernel;
	c->entry = (intptr_t)data - 1;
}

static void went_via(unsigned int cpu, void *data)
{
	struct cpu *c = qemu_plugin_scoreboard_find(cpus, cpu);

	c->via = true;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print(struct samples *s, bool least)
{
	unsigned int n = s->n < MAX_SAMPLES ? s->n : MAX_SAMPLES;

	qsort(s->trips, n, sizeof(s->trips[0]), compare);
	fprintf(out, " %u %u", n, n ? s->trips[least ? 0 : n / 2] : 0);
}

static void marked(unsigned int cpu, void *data)
{
	unsigned int mark = marks++, i;

	for (i = 0; mark < MAX_MARKS && i < nr_entries; i++) {
		fprintf(out, "trip %lx", (unsigned long)entries[i]);
		print(&samples[mark][i][false], false);
		/*
		 * Those are rare: on a slow host more than a tick has passed
		 * before most of them, and they account for it.
		 */
		print(&samples[mark][i][true], true);
		fprintf(out, "\n");
	}
	fprintf(out, "mark\n");
	fflush(out);
}

static intptr_t find(const uint64_t *in, unsigned int n, uint64_t address)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (in[i] == address)
			return i + 1;
	return 0;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t marker[] = { 0x0f, 0x1f, 0x80, 'm', 'a', 'r', 'k' };
	qemu_plugin_u64 kernel = { cpus, offsetof(struct cpu, kernel) };
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	uint64_t address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
	uint8_t code[sizeof(marker)];

	if (address >> 63) {
		/* Before this block is counted. */
		qemu_plugin_register_vcpu_tb_exec_cb(tb, in_kernel,
				QEMU_PLUGIN_CB_NO_REGS,
				(void *)find(entries, nr_entries, address));
		if (find(via, nr_via, address))
			qemu_plugin_register_vcpu_tb_exec_cb(tb, went_via,
					QEMU_PLUGIN_CB_NO_REGS, NULL);
		qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb,
				QEMU_PLUGIN_INLINE_ADD_U64, kernel, n);
		return;
	}

	qemu_plugin_register_vcpu_tb_exec_cb(tb, in_user,
					     QEMU_PLUGIN_CB_NO_REGS, NULL);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_data(insn, code, sizeof(code)) == sizeof(code) &&
		    !memcmp(code, marker, sizeof(code)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked,
					QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
			       int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "entry=", 6) && nr_entries < MAX_ENTRIES)
			entries[nr_entries++] = strtoull(argv[i] + 6, NULL, 16);
		else if (!strncmp(argv[i], "via=", 4) && nr_via < MAX_VIA)
			via[nr_via++] = strtoull(argv[i] + 4, NULL, 16);
	}
	if (!out || !nr_entries) {
		fprintf(stderr, "qemu_trips: needs out= and entry=\n");
		return -1;
	}
	cpus = qemu_plugin_scoreboard_new(sizeof(struct cpu));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
