/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the models share: CPU 0, which has work left to it, with its NMIs; the
 * properties; and all of core.c.
 */
#ifndef _MODEL_H
#define _MODEL_H

#ifndef CPUS
#define CPUS 2
#endif

#include "kernel.h"

#define cpuword_step(w)	model_point(__COUNTER__)
#include <linux/cpuword_state.h>
#include <linux/cpuword_ct.h>
#include <linux/cpuword.h>

bool nondet_bool(void);

/* --- Properties --- */

/* All are checked, or the one that is named ONLY. */
#define PROPERTIES(property)						\
	property(stale,	   "early work is effective after the hook")	\
	property(lost,	   "no work is lost")				\
	property(once,	   "late work runs once")			\
	property(counter,  "the counter makes single steps, none back")	\
	property(parity,   "the counter is odd in the kernel, even in an EQS") \
	property(others,   "other CPUs change nothing but work and PIN") \
	property(clean,	   "in the kernel there is no work and no PIN")	\
	property(excludes, "a pinned CPU is not in the kernel")		\
	property(stuck,	   "no pin stays, and no NMI waits")		\
	property(refused,  "a refusal leaves no bit")			\
	property(lazy,	   "LAZY accepts nothing")			\
	property(idle,	   "IDLE accepts no work")			\
	property(grace,	   "a grace period waits for readers")		\
	property(warn,	   "core.c does not warn")			\
	property(memory,   "the model checker orders as kernel.h says")

#define PROPERTY_NUMBER(name, text) PROPERTY_##name,
#define PROPERTY_TEXT(name, text)				\
	static inline void property_##name(bool holds)		\
	{							\
		if (ONLY < 0 || ONLY == PROPERTY_##name)	\
			__CPROVER_assert(holds, #name ": " text); \
	}

enum { PROPERTIES(PROPERTY_NUMBER) PROPERTY_NR };

#ifndef ONLY
#define ONLY (-1)
#endif

PROPERTIES(PROPERTY_TEXT)

/*
 * A model in which something never happens proves nothing of it.  Under REACH
 * each of these has to fail.
 */
#ifdef REACH
#define REACHED(what)	__CPROVER_assert(0, "reached: " what)
#undef ONLY
#define ONLY PROPERTY_NR
#else
#define REACHED(what)	((void)0)
#endif

void model_warn(bool warned)
{
	property_warn(!warned);
}

/* --- The CPU --- */

__CPROVER_thread_local int model_cpu;
struct cpumask model_online[1] = { { BIT(CPUS) - 1 } };

/* CPU 0's own, and that it has accessed its word since the last point. */
static __CPROVER_thread_local int nmis, nmi_depth, retries, waits;
static __CPROVER_thread_local bool accessed;
static __CPROVER_thread_local unsigned long own_counter;
/* Bits that another CPU has written, as it knows. */
static __CPROVER_thread_local unsigned long wrote;

/*
 * What other CPUs change, by version: one page table, or one piece of text,
 * for each of them.  What CPU 0 has in its TLB or its pipeline; a TLB may drop
 * an entry by itself, which is no worse.  And what a CPU that relies on the
 * deferral has freed, or reused.
 */
static int changed[CPUS], gone[CPUS];
static __CPROVER_thread_local int translated[CPUS], fetched[CPUS];

/* The bits that each of them defers. */
#ifndef WORK_1
#define WORK_1 0
#endif
#ifndef WORK_2
#define WORK_2 0
#endif

/* What readers under RCU may use while it is published, until it is freed. */
static int published = 1, freed;

/* Kernel code runs here, in a task, an interrupt, or an NMI. */
static void use(void)
{
#ifdef READERS
	bool found = published;

	model_point(__COUNTER__);
	property_grace(!found || !freed);
#endif
	if (WORK_1 & CPUWORD_TLB)
		property_stale(translated[1] >= gone[1]);
	if (WORK_1 & CPUWORD_ISYNC)
		property_stale(fetched[1] >= gone[1]);
#if CPUS > 2
	if (WORK_2 & CPUWORD_TLB)
		property_stale(translated[2] >= gone[2]);
	if (WORK_2 & CPUWORD_ISYNC)
		property_stale(fetched[2] >= gone[2]);
#endif
}

static void model_flush_tlb(void)
{
	if (WORK_1 & CPUWORD_TLB)
		translated[1] = changed[1];
#if CPUS > 2
	if (WORK_2 & CPUWORD_TLB)
		translated[2] = changed[2];
#endif
	accessed = true;
	model_point(__COUNTER__);
}

static void model_isync(void)
{
	if (WORK_1 & CPUWORD_ISYNC)
		fetched[1] = changed[1];
#if CPUS > 2
	if (WORK_2 & CPUWORD_ISYNC)
		fetched[2] = changed[2];
#endif
	accessed = true;
	model_point(__COUNTER__);
}

#ifdef CONFIG_CPUWORD_ASM_ENTRY
/*
 * As x86's entry assembly has it.  With PTI it writes CR3, which is early work:
 * it serialises, and flushes if the word says so.
 */
static __CPROVER_thread_local bool pti;

bool model_entry_did(void)
{
	return pti;
}

static unsigned long user_enter(void)
{
	raw_atomic_long_fetch_add(CPUWORD_COUNTER_ONE - CT_STATE_USER,
				  this_cpuword());
	if (pti) {
		if (raw_atomic_long_read(this_cpuword()) & CPUWORD_TLB)
			model_flush_tlb();
		model_isync();
	}
	return ct_state_user_entered();
}

static void user_leave(void)
{
	unsigned long word;

	ct_state_user_leaving();
	word = raw_atomic_long_read(this_cpuword());
	raw_atomic_long_set_release(this_cpuword(), word + CPUWORD_COUNTER_ONE +
				    CT_STATE_USER - CT_STATE_LAZY);
}
#else
static unsigned long user_enter(void)
{
	return ct_state_enter(CT_STATE_USER);
}

static void user_leave(void)
{
	ct_state_exit(CT_STATE_USER);
}
#endif

/* As ct_nmi_enter() and ct_nmi_exit() of the kernel have it. */
static void nmi(void)
{
	bool watched = rcu_is_watching_curr_cpu();
	unsigned long owed = 0;

	if (!watched)
		owed = ct_state_nmi_enter();
	else
		ct_state_nmi_nested();
	property_parity(own_counter & 1);
	use();
	ct_state_entered(owed);
	REACHED("an NMI");
	if (!watched)
		ct_state_nmi_exit();
}

bool in_nmi(void)
{
	return nmi_depth;
}

/*
 * One run of the model checker lands an NMI in some places only: that is, at a
 * site, in the how manieth of CPU 0's stays in or out of the kernel.  All runs
 * together land it everywhere.
 */
#ifndef NMI_AT
#define NMI_AT(place) false
#endif

static __CPROVER_thread_local int stay;

void model_point(int site)
{
	int place;

	if (model_cpu || nmi_depth || !accessed)
		return;
	accessed = false;
	/* By this name the host side finds all of them. */
	place = 1000 * stay + site;
	if (NMI_AT(place) && !nmis && nondet_bool()) {
		nmis = 1;
		nmi_depth = 1;
		nmi();
		nmi_depth = 0;
		accessed = false;
	}
}

void model_accessed(void)
{
	accessed = true;
}

/*
 * Runs in which a cmpxchg fails more often, or a pin is waited for more often,
 * are left out.
 */
#ifndef RETRIES
#define RETRIES 0
#endif
#ifndef WAITS
#define WAITS 1
#endif

void model_retry(void)
{
	__CPROVER_assume(retries++ < RETRIES);
}

/* The owner alone changes counter and context. */
static void model_own(unsigned long new)
{
	unsigned long step = (new >> CPUWORD_COUNTER_SHIFT) - own_counter;

	step &= ~0UL >> CPUWORD_COUNTER_SHIFT;
	property_counter(step <= 1);
	own_counter = new >> CPUWORD_COUNTER_SHIFT;
}

void model_stored(atomic_long_t *v, unsigned long new)
{
	if (v == this_cpuword())
		model_own(new);
}

void model_modified(atomic_long_t *v, unsigned long old, unsigned long new)
{
	if (v == this_cpuword()) {
		property_counter(old >> CPUWORD_COUNTER_SHIFT == own_counter);
		model_own(new);
		return;
	}
	property_others(!((old ^ new) & ~(CPUWORD_WORK_MASK | CPUWORD_PIN)));
	wrote |= new & ~old;
}

/* --- What it does --- */

/* Late work: the function, how often it ran here, and how often it was left. */
static __CPROVER_thread_local int late_runs, late_seen[CPUS];
static int late_left[CPUS];

static void late(void)
{
	property_once(!in_nmi());
	late_runs++;
	if (WORK_1 & CPUWORD_LATE_MASK)
		late_seen[1] = changed[1];
#if CPUS > 2
	if (WORK_2 & CPUWORD_LATE_MASK)
		late_seen[2] = changed[2];
#endif
}

/* CPU 0 is in the kernel, in a task; and other CPUs hold it out. */
static int inside, holds[CPUS], done[CPUS];

static bool others_are_done(void)
{
	bool all = done[1];

#if CPUS > 2
	all = all && done[2];
#endif
	return all;
}

/* A way round the loop in which nothing changes is as good as none. */
void cpu_relax(void)
{
	bool nobody = others_are_done();
	unsigned long word = this_cpuword()->counter;

	property_stuck(!in_nmi());
	property_stuck(!nobody || !(word & CPUWORD_PIN));
	__CPROVER_assume(!(word & CPUWORD_PIN) && waits++ < WAITS);
}

/* In a task, or in an interrupt. */
static void work(void)
{
	unsigned long word = raw_atomic_long_read(this_cpuword());

	property_clean(!(word & (CPUWORD_WORK_MASK | CPUWORD_PIN)));
	property_parity(word & CPUWORD_WATCHING);
#ifdef PINNED
	inside = 1;
	property_excludes(!holds[1]);
#if CPUS > 2
	property_excludes(!holds[2]);
#endif
#endif
	use();
	model_point(__COUNTER__);
#ifdef PINNED
	inside = 0;
#endif
}

static void enter(enum ctx_state ctx)
{
	unsigned long owed;

	stay++;
	owed = ctx == CT_STATE_USER ? user_enter() : ct_state_enter(ctx);
	use();
	ct_state_entered(owed);
	work();
}

/* From idle, where it keeps the context as an NMI does. */
static void interrupt(void)
{
	unsigned long owed = ct_state_nmi_enter();

	property_parity(own_counter & 1);
	use();
	ct_state_entered(owed);
	work();
	REACHED("an interrupt");
	ct_state_nmi_exit();
}

static void leave(enum ctx_state ctx)
{
	stay++;
	if (ctx == CT_STATE_USER)
		user_leave();
	else
		ct_state_exit(ctx);
	model_point(__COUNTER__);
	property_parity(!(own_counter & 1));
}

/*
 * In an EQS, once the others have done all: what they left has been done, or is
 * there for the next entry, which does it as this one has.
 */
static void settle(void)
{
	unsigned long word;

	__CPROVER_assume(others_are_done());
	REACHED("the end");
	word = cpuword[0].v.counter;
	property_stuck(!(word & CPUWORD_PIN));

	if (WORK_1 & CPUWORD_TLB)
		property_lost((word & CPUWORD_TLB) || translated[1] >= gone[1]);
	if (WORK_1 & CPUWORD_ISYNC)
		property_lost((word & CPUWORD_ISYNC) || fetched[1] >= gone[1]);
	if (WORK_1 & CPUWORD_LATE_MASK)
		property_lost((word & CPUWORD_LATE_MASK) || late_seen[1] >= gone[1]);
#if CPUS > 2
	if (WORK_2 & CPUWORD_TLB)
		property_lost((word & CPUWORD_TLB) || translated[2] >= gone[2]);
	if (WORK_2 & CPUWORD_ISYNC)
		property_lost((word & CPUWORD_ISYNC) || fetched[2] >= gone[2]);
	if (WORK_2 & CPUWORD_LATE_MASK)
		property_lost((word & CPUWORD_LATE_MASK) || late_seen[2] >= gone[2]);
#endif
	property_once(late_runs + !!(word & CPUWORD_LATE_MASK) ==
		      late_left[1] + late_left[CPUS - 1] * (CPUS > 2));
}

/* To user mode and back, as most models have CPU 0 go. */
static void round_trip(void)
{
	leave(CT_STATE_USER);
	enter(CT_STATE_USER);
	leave(CT_STATE_USER);
	settle();
}

/* --- The other CPUs --- */

/* Changes something, has it seen by CPU 0, and then relies on that. */
static void defer(unsigned long work)
{
	int version = changed[model_cpu] + 1;
	bool accepted;

	changed[model_cpu] = version;
	wrote = 0;
	accepted = cpuword_defer(0, work);
	if (wrote & CPUWORD_LATE_MASK)
		late_left[model_cpu]++;
	if (!accepted) {
		REACHED("a refusal");
		property_refused(!wrote);
		return;
	}
	REACHED("a deferral");
	gone[model_cpu] = version;
}

static void pin(void)
{
	wrote = 0;
	if (!cpuword_pin(0)) {
		REACHED("no pin");
		property_refused(!wrote);
		return;
	}
	REACHED("a pin");
	property_excludes(!inside);
	holds[model_cpu] = 1;
	property_excludes(!inside);
	holds[model_cpu] = 0;
	cpuword_unpin(0);
}

/* A grace period, as far as it concerns CPU 0. */
static void free_after_grace_period(void)
{
	int snap;

	published = 0;
	smp_mb();
	snap = ct_rcu_watching_cpu_acquire(0);
	if (snap & CT_RCU_WATCHING) {
		int now = ct_rcu_watching_cpu_acquire(0);

		/* RCU looks again, until it is another. */
		__CPROVER_assume(now != snap);
		REACHED("a reader waited for");
	}
	smp_mb();
	freed = 1;
}

/* An interrupt that CPU 0 is sent, and takes when it comes to answer(). */
static bool called;

void on_each_cpu_cond_mask(smp_cond_func_t cond, smp_call_func_t func,
			   void *info, bool wait, const struct cpumask *mask)
{
	for (int cpu = 0; cpu < CPUS; cpu++) {
		if (!(mask->bits[0] & BIT(cpu)) || (cond && !cond(cpu, info)))
			continue;
		if (cpu == model_cpu) {
			func(info);
		} else if (!cpu) {
			REACHED("an IPI");
			called = true;
			__CPROVER_assume(!called);
		}
	}
}

static void answer(void)
{
	if (called) {
		model_flush_tlb();
		called = false;
	}
}

/* --- All of them --- */

static void cpu0(void);
static void cpu1(void);
static void cpu2(void);

#include "core.c"

CPUWORD_PER_CPU(DEFINE) = { .v = ATOMIC_LONG_INIT(CPUWORD_COUNTER_ONE) };

static inline void begin(int cpu)
{
	model_cpu = cpu;
	retries = 0;
	wrote = 0;
}

static inline void thread(int cpu, void (*run)(void))
{
	begin(cpu);
	run();
	done[cpu] = 1;
}

int main(void)
{
	for (int cpu = 0; cpu < CPUS; cpu++)
		cpuword[cpu] = model_init_cpuword;
	begin(0);
	own_counter = 1;
#ifdef CONFIG_CPUWORD_ASM_ENTRY
	pti = nondet_bool();
#endif
	cpuword_init();
	if ((WORK_1 | WORK_2) & CPUWORD_LATE_MASK)
		cpuword_late_register(late);

	__CPROVER_ASYNC_1: thread(1, cpu1);
#if CPUS > 2
	__CPROVER_ASYNC_2: thread(2, cpu2);
#endif
	cpu0();

	return 0;
}

#endif /* _MODEL_H */
