// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts instructions. The guest's program executes a
 * marker instruction where it wants the counts; they are added to a file:
 *
 *   broadcast <instructions> <of them atomic>	one that CPU 0 made
 *   mark <CPU 0: instructions in the kernel> <of them waiting>
 *	  <other CPUs: the same> <the same> <in user mode>
 *
 * A broadcast is a call of one of the functions named by begin=, from its first
 * instruction to its return, without calls of them that it makes itself. Time
 * spent waiting is not counted in it, nor are interrupts, which begin at one of
 * irq= and end with the return from it.
 *
 * Arguments: out=<file>,begin=<address>...,irq=<address>...
 *
 * While a CPU waits, or spins in user mode, its thread sleeps: the host has
 * fewer CPUs than the guest.
 *
 * Not for "-accel tcg,thread=single", where QEMU 10.0 counts what all CPUs
 * execute for the one that executed it first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugin.h"

/* Fewer instructions than this between two pauses are a loop that waits. */
#define WAIT_LOOP	32

/* How long a pause of one that waits takes, and of one in user mode, in us. */
#define WAITS_FOR	10
#define SPINS_FOR	500

/* Where riscv's firmware begins; the guest's program is far below. */
#define FIRMWARE	0x80000000

#define MAX_ADDRESSES	64

struct counts {
	uint64_t kernel, waiting, atomic, user;
	uint64_t paused;	/* kernel, at the last pause */
};

enum kind { OTHER, ATOMIC, PAUSE, CALL, RETURN, IRQ_RETURN, MARKER, NR_KINDS };

static inline uint32_t word_of(const uint8_t *code)
{
	return code[0] | code[1] << 8 | code[2] << 16 | (uint32_t)code[3] << 24;
}

/* classify(): of which kind is an instruction?  It is the architecture's. */
#include "qemu.h"

static struct qemu_plugin_scoreboard *scores;
static unsigned int nr_cpus;
static FILE *out;

struct addresses {
	uint64_t at[MAX_ADDRESSES];
	unsigned int n;
};

static struct addresses begins, irqs;

/* Of CPU 0 alone, so that no two threads touch it. */
static struct {
	uint64_t kernel, atomic;
	struct counts start, irq_start;
	long depth;				/* of calls; 0: not in one */
	bool in_irq;
} broadcast;

static void paused(unsigned int cpu, void *data)
{
	struct counts *c = qemu_plugin_scoreboard_find(scores, cpu);

	if (c->kernel - c->paused < WAIT_LOOP) {
		c->waiting += c->kernel - c->paused;
		usleep(WAITS_FOR);
	}
	c->paused = c->kernel;
}

static void spun(unsigned int cpu, void *data)
{
	usleep(SPINS_FOR);
}

/* What of a stretch of CPU 0 is work of its own. */
static void add_since(const struct counts *start, int sign)
{
	struct counts *c = qemu_plugin_scoreboard_find(scores, 0);

	broadcast.kernel += sign * ((c->kernel - c->waiting) -
				    (start->kernel - start->waiting));
	broadcast.atomic += sign * (c->atomic - start->atomic);
}

static void begun(unsigned int cpu, void *data)
{
	if (cpu || broadcast.depth)
		return;
	broadcast.depth = 1;
	broadcast.kernel = broadcast.atomic = 0;
	broadcast.start = *(struct counts *)qemu_plugin_scoreboard_find(scores, 0);
}

static void called(unsigned int cpu, void *data)
{
	if (!cpu && broadcast.depth && !broadcast.in_irq)
		broadcast.depth++;
}

static void returned(unsigned int cpu, void *data)
{
	if (cpu || !broadcast.depth || broadcast.in_irq || --broadcast.depth)
		return;
	add_since(&broadcast.start, 1);
	fprintf(out, "broadcast %lu %lu\n", broadcast.kernel, broadcast.atomic);
}

static void interrupted(unsigned int cpu, void *data)
{
	if (cpu || !broadcast.depth || broadcast.in_irq)
		return;
	broadcast.in_irq = true;
	broadcast.irq_start = *(struct counts *)qemu_plugin_scoreboard_find(scores, 0);
}

static void irq_returned(unsigned int cpu, void *data)
{
	if (cpu || !broadcast.in_irq)
		return;
	broadcast.in_irq = false;
	add_since(&broadcast.irq_start, -1);
}

static void marked(unsigned int cpu, void *data)
{
	const struct counts *c = qemu_plugin_scoreboard_find(scores, 0);
	uint64_t kernel = 0, waiting = 0, user = 0;
	unsigned int i;

	/* CPU 0 is in user mode: in no broadcast, nor in an interrupt of one. */
	broadcast.depth = 0;
	broadcast.in_irq = false;
	fprintf(out, "mark %lu %lu", c->kernel, c->waiting);
	for (i = 1; i < nr_cpus; i++) {
		c = qemu_plugin_scoreboard_find(scores, i);
		kernel += c->kernel;
		waiting += c->waiting;
		user += c->user;
	}
	fprintf(out, " %lu %lu %lu\n", kernel, waiting, user);
	fflush(out);
}

static void count(struct qemu_plugin_tb *tb, size_t offset, uint64_t n)
{
	qemu_plugin_u64 counter = { scores, offset };

	if (n)
		qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb,
				QEMU_PLUGIN_INLINE_ADD_U64, counter, n);
}

static bool in(const struct addresses *a, uint64_t address)
{
	unsigned int i;

	for (i = 0; i < a->n; i++)
		if (a->at[i] == address)
			return true;
	return false;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static void (*const at[2][NR_KINDS])(unsigned int cpu, void *data) = {
		{ [PAUSE] = spun, [MARKER] = marked },
		{ [PAUSE] = paused, [CALL] = called, [RETURN] = returned,
		  [IRQ_RETURN] = irq_returned },
	};
	size_t n = qemu_plugin_tb_n_insns(tb), atomics = 0, i;
	uint64_t address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
	bool kernel = address >> 63;

	/* Before this block is counted. */
	if (in(&begins, address))
		qemu_plugin_register_vcpu_tb_exec_cb(tb, begun,
				QEMU_PLUGIN_CB_NO_REGS, NULL);
	if (in(&irqs, address))
		qemu_plugin_register_vcpu_tb_exec_cb(tb, interrupted,
				QEMU_PLUGIN_CB_NO_REGS, NULL);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint8_t code[16] = { 0 };
		enum kind kind;

		kind = classify(code, qemu_plugin_insn_data(insn, code,
							    sizeof(code)));
		if (kind == ATOMIC)
			atomics++;
		else if (kind == PAUSE && !kernel && address >= FIRMWARE)
			continue;
		else if (at[kernel][kind])
			qemu_plugin_register_vcpu_insn_exec_cb(insn,
					at[kernel][kind],
					QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
	if (kernel) {
		count(tb, offsetof(struct counts, kernel), n);
		count(tb, offsetof(struct counts, atomic), atomics);
	} else {
		count(tb, offsetof(struct counts, user), n);
	}
}

static void add(struct addresses *to, const char *address)
{
	if (to->n < MAX_ADDRESSES)
		to->at[to->n++] = strtoull(address, NULL, 16);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
			       int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "begin=", 6))
			add(&begins, argv[i] + 6);
		else if (!strncmp(argv[i], "irq=", 4))
			add(&irqs, argv[i] + 4);
	}
	if (!out || !begins.n || !irqs.n) {
		fprintf(stderr, "qemu_count: needs out=, begin= and irq=\n");
		return -1;
	}
	nr_cpus = info->system.max_vcpus;
	scores = qemu_plugin_scoreboard_new(sizeof(struct counts));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
