// SPDX-License-Identifier: GPL-2.0
/*
 * The layout and the protocol, on words of the tests' own: every transition,
 * every refusal, and an NMI or another CPU at every step of them.
 */

/* Before any header: <linux/cpuword_state.h> calls it between two accesses. */
static void cpuword_test_step(const void *w);
#define cpuword_step(w) cpuword_test_step(w)

#include <kunit/test.h>
#include <linux/bitops.h>
#include <linux/cpuword.h>
#include <linux/slab.h>

#include "../word.h"

#define BOTH	(CPUWORD_TLB | CPUWORD_ISYNC)
#define LATE	BIT(CPUWORD_LATE_SHIFT)

enum intruder { NOBODY, NMI, DEFERRER, PINNER };

/*
 * A CPU's word and what the CPU would see.  Another CPU makes a change and
 * either leaves work or, refused, has it done at once, as by an IPI.  Once it
 * has a verdict, it counts on the change: whenever the CPU may touch kernel
 * state it must have seen that.
 */
struct cpu {
	struct kunit	*test;
	atomic_long_t	w;
	unsigned long	change;
	unsigned long	counted_on;
	unsigned long	seen;
	unsigned int	early_ran;
	unsigned int	late_deferred;
	unsigned int	late_ran;

	/* Who comes, at which step, and whether it has. */
	enum intruder	intruder;
	unsigned int	at;
	unsigned int	step;
	bool		came;

	/* The holder of a pin is short: the step at which it lets go. */
	bool		pinned;
	unsigned int	unpin_at;
};

static struct cpu *stepping;

static unsigned long user_accepts(enum ctx_state ctx)
{
	return ctx == CT_STATE_USER ? BOTH | CPUWORD_LATE_MASK : 0;
}

static unsigned long nothing_implicit(enum ctx_state ctx)
{
	return 0;
}

static unsigned long isync_implicit(enum ctx_state ctx)
{
	return CPUWORD_ISYNC;
}

static unsigned long ctx_of(struct cpu *cpu)
{
	return cpuword_ctx(atomic_long_read(&cpu->w));
}

static bool watching(struct cpu *cpu)
{
	return atomic_long_read(&cpu->w) & CPUWORD_WATCHING;
}

static unsigned long counter(struct cpu *cpu)
{
	return (unsigned long)atomic_long_read(&cpu->w) >> CPUWORD_COUNTER_SHIFT;
}

static enum cpuword_verdict defer(struct cpu *cpu, unsigned long work)
{
	unsigned long seen;

	return cpuword_try_defer(&cpu->w, work, user_accepts, nothing_implicit,
				 &seen);
}

static void run_early(unsigned long work)
{
	KUNIT_EXPECT_NE(stepping->test, work & CPUWORD_EARLY_MASK, 0);
	stepping->seen = stepping->change;
	stepping->early_ran++;
}

static void run_late(unsigned long work)
{
	KUNIT_EXPECT_EQ(stepping->test, work, LATE);
	KUNIT_EXPECT_TRUE(stepping->test, watching(stepping));
	stepping->late_ran++;
}

/* Any code that may rely on deferred work having been done. */
static void touch_kernel(struct cpu *cpu)
{
	KUNIT_EXPECT_TRUE(cpu->test, watching(cpu));
	KUNIT_EXPECT_GE(cpu->test, cpu->seen, cpu->counted_on);
	KUNIT_EXPECT_EQ(cpu->test, atomic_long_read(&cpu->w) & CPUWORD_EARLY_MASK, 0);
}

/* As ct_nmi_enter() and ct_nmi_exit(). */
static void nmi(struct cpu *cpu)
{
	unsigned long old = atomic_long_read(&cpu->w);
	bool outermost = !(old & CPUWORD_WATCHING);

	if (outermost)
		old = cpuword_nmi_enter(&cpu->w);
	if (old & CPUWORD_EARLY_MASK)
		cpuword_early(&cpu->w, old, run_early);
	touch_kernel(cpu);
	if (outermost)
		cpuword_nmi_exit(&cpu->w);
}

static void other_cpu_changes(struct cpu *cpu, unsigned long work)
{
	unsigned long change = ++cpu->change;

	/* As cpuword_defer(). */
	smp_mb();
	switch (defer(cpu, work)) {
	case CPUWORD_REFUSED:
		cpu->seen = cpu->change;
		break;
	case CPUWORD_ACCEPTED:
		cpu->late_deferred += !!(work & LATE);
		break;
	case CPUWORD_COALESCED:
		break;
	}
	cpu->counted_on = max(cpu->counted_on, change);
}

static void intrude(struct cpu *cpu)
{
	switch (cpu->intruder) {
	case NOBODY:
		break;
	case NMI:
		nmi(cpu);
		break;
	case DEFERRER:
		other_cpu_changes(cpu, BOTH | LATE);
		break;
	case PINNER:
		cpu->pinned = cpuword_try_pin(&cpu->w);
		cpu->unpin_at = cpu->step;
		break;
	}
}

static void cpuword_test_step(const void *w)
{
	struct cpu *cpu = stepping;
	unsigned int step;

	if (!cpu || w != &cpu->w)
		return;

	step = cpu->step++;
	if (cpu->pinned && step == cpu->unpin_at) {
		cpu->pinned = false;
		cpuword_drop_pin(&cpu->w);
	}
	if (!cpu->came && step == cpu->at) {
		cpu->came = true;
		intrude(cpu);
	}
}

/* As ct_state_enter() and ct_state_entered(). */
static void enter(struct cpu *cpu, enum ctx_state ctx)
{
	unsigned long old = cpuword_enter(&cpu->w, ctx);

	cpuword_step(&cpu->w);
	if (old & CPUWORD_PIN)
		old = cpuword_wait_pin(&cpu->w, ctx);
	if (old & CPUWORD_EARLY_MASK)
		cpuword_early(&cpu->w, old, run_early);
	touch_kernel(cpu);
	if (old & CPUWORD_LATE_MASK)
		cpuword_late(&cpu->w, old, run_late);
	cpuword_step(&cpu->w);
	touch_kernel(cpu);
}

static void leave(struct cpu *cpu, enum ctx_state ctx)
{
	cpuword_step(&cpu->w);
	cpuword_exit(&cpu->w, ctx);
	cpuword_step(&cpu->w);
}

/* Two round trips, work pending at the first entry and none at the second. */
static void round_trips(struct cpu *cpu)
{
	leave(cpu, CT_STATE_USER);
	other_cpu_changes(cpu, BOTH | LATE);
	enter(cpu, CT_STATE_USER);
	leave(cpu, CT_STATE_USER);
	enter(cpu, CT_STATE_USER);
}

static int protocol_init(struct kunit *test)
{
	struct cpu *cpu = kunit_kzalloc(test, sizeof(*cpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, cpu);
	cpu->test = test;
	atomic_long_set(&cpu->w, CPUWORD_COUNTER_ONE);
	cpu->at = UINT_MAX;
	test->priv = cpu;
	stepping = cpu;
	return 0;
}

static void protocol_exit(struct kunit *test)
{
	stepping = NULL;
}

/* --- Layout --- */

static void fields_cover_the_word_once(struct kunit *test)
{
	unsigned long counter_mask = ~0UL << CPUWORD_COUNTER_SHIFT;
	unsigned long fields = CT_STATE_MASK | CPUWORD_PIN |
			       CPUWORD_WORK_MASK | counter_mask;

	KUNIT_EXPECT_EQ(test, hweight_long(CT_STATE_MASK) + 1 +
			hweight_long(CPUWORD_WORK_MASK) +
			hweight_long(counter_mask), hweight_long(fields));
	if (!IS_ENABLED(CONFIG_CPUWORD_TORTURE_COUNTER))
		KUNIT_EXPECT_EQ(test, fields, ~0UL);
}

static void counter_wraps_off_the_top(struct kunit *test)
{
	struct cpu *cpu = test->priv;
	unsigned long below = CT_STATE_MASK | CPUWORD_PIN | CPUWORD_WORK_MASK;

	/* Watching, with the last odd value: the next step is 0. */
	atomic_long_set(&cpu->w, ~0UL << CPUWORD_COUNTER_SHIFT);
	leave(cpu, CT_STATE_USER);
	KUNIT_EXPECT_EQ(test, counter(cpu), 0);
	KUNIT_EXPECT_FALSE(test, watching(cpu));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w) & below, CT_STATE_USER);
	enter(cpu, CT_STATE_USER);
	KUNIT_EXPECT_EQ(test, counter(cpu), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w) & below, CT_STATE_KERNEL);
}

static void entry_from_wrapped_counter_keeps_work(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	/* The last even value: entry steps to the last odd one, exit to 0. */
	atomic_long_set(&cpu->w, (~0UL << CPUWORD_COUNTER_SHIFT) -
			CPUWORD_COUNTER_ONE + CT_STATE_USER);
	other_cpu_changes(cpu, BOTH);
	enter(cpu, CT_STATE_USER);
	KUNIT_EXPECT_TRUE(test, watching(cpu));
	leave(cpu, CT_STATE_USER);
	KUNIT_EXPECT_EQ(test, counter(cpu), 0);
	KUNIT_EXPECT_EQ(test, ctx_of(cpu), CT_STATE_USER);
}

/* --- Transitions --- */

struct ctx_param {
	const char		*name;
	enum ctx_state		ctx;
};

static const struct ctx_param eqs_params[] = {
	{ "idle", CT_STATE_IDLE },
	{ "user", CT_STATE_USER },
	{ "guest", CT_STATE_GUEST },
};

KUNIT_ARRAY_PARAM_DESC(eqs, eqs_params, name);

static void eqs_round_trip_steps_counter_twice(struct kunit *test)
{
	const struct ctx_param *p = test->param_value;
	struct cpu *cpu = test->priv;
	unsigned long before = counter(cpu);
	unsigned long mask = ~0UL >> CPUWORD_COUNTER_SHIFT;

	leave(cpu, p->ctx);
	KUNIT_EXPECT_EQ(test, ctx_of(cpu), p->ctx);
	KUNIT_EXPECT_FALSE(test, watching(cpu));
	KUNIT_EXPECT_EQ(test, counter(cpu), (before + 1) & mask);
	enter(cpu, p->ctx);
	KUNIT_EXPECT_EQ(test, ctx_of(cpu), CT_STATE_KERNEL);
	KUNIT_EXPECT_TRUE(test, watching(cpu));
	KUNIT_EXPECT_EQ(test, counter(cpu), (before + 2) & mask);
}

static void nmi_in_eqs_keeps_context(struct kunit *test)
{
	const struct ctx_param *p = test->param_value;
	struct cpu *cpu = test->priv;

	leave(cpu, p->ctx);
	cpuword_nmi_enter(&cpu->w);
	KUNIT_EXPECT_EQ(test, ctx_of(cpu), p->ctx);
	KUNIT_EXPECT_TRUE(test, watching(cpu));
	cpuword_nmi_exit(&cpu->w);
	KUNIT_EXPECT_EQ(test, ctx_of(cpu), p->ctx);
	KUNIT_EXPECT_FALSE(test, watching(cpu));
}

static void lazy_never_stops_watching(struct kunit *test)
{
	struct cpu *cpu = test->priv;
	unsigned long before = atomic_long_read(&cpu->w);

	cpuword_lazy_exit(&cpu->w);
	KUNIT_EXPECT_EQ(test, ctx_of(cpu), CT_STATE_LAZY);
	KUNIT_EXPECT_TRUE(test, watching(cpu));
	cpuword_lazy_enter(&cpu->w);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w), before);
}

/* --- Deferral --- */

static void user_accepts_then_coalesces(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	leave(cpu, CT_STATE_USER);
	KUNIT_EXPECT_EQ(test, defer(cpu, CPUWORD_TLB), CPUWORD_ACCEPTED);
	KUNIT_EXPECT_EQ(test, defer(cpu, CPUWORD_TLB), CPUWORD_COALESCED);
	KUNIT_EXPECT_EQ(test, defer(cpu, BOTH), CPUWORD_ACCEPTED);
	KUNIT_EXPECT_EQ(test, defer(cpu, CPUWORD_ISYNC), CPUWORD_COALESCED);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w) & CPUWORD_WORK_MASK, BOTH);
}

/* Bit by bit: three kinds of work, then what else a word may hold. */
static unsigned long word_with(unsigned int parts)
{
	return (parts & BIT(0) ? CPUWORD_TLB : 0) |
	       (parts & BIT(1) ? CPUWORD_ISYNC : 0) |
	       (parts & BIT(2) ? LATE : 0) |
	       (parts & BIT(3) ? CPUWORD_PIN : 0) |
	       (parts & BIT(4) ? CPUWORD_WATCHING : 0);
}

static void short_way_coalesces_as_the_long_one(struct kunit *test)
{
	struct cpu *cpu = test->priv;
	unsigned int ctx, owed, asked;

	for (ctx = 0; ctx < CT_STATE_MAX; ctx++) {
		for (owed = 0; owed < BIT(5); owed++) {
			for (asked = 1; asked < BIT(3); asked++) {
				unsigned long word = ctx | word_with(owed);
				unsigned long work = word_with(asked);

				atomic_long_set(&cpu->w, word);
				KUNIT_EXPECT_EQ_MSG(test, cpuword_user_owes(&cpu->w, work),
						    defer(cpu, work) == CPUWORD_COALESCED,
						    "word %#lx, work %#lx", word, work);
			}
		}
	}
}

static void implicit_work_sets_no_bit(struct kunit *test)
{
	struct cpu *cpu = test->priv;
	unsigned long before, seen;

	leave(cpu, CT_STATE_USER);
	before = atomic_long_read(&cpu->w);
	KUNIT_EXPECT_EQ(test, cpuword_try_defer(&cpu->w, CPUWORD_ISYNC, user_accepts,
						isync_implicit, &seen),
			CPUWORD_COALESCED);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w), before);
	KUNIT_EXPECT_EQ(test, cpuword_try_defer(&cpu->w, BOTH, user_accepts,
						isync_implicit, &seen),
			CPUWORD_ACCEPTED);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w), before | CPUWORD_TLB);
}

static void expect_refused(struct cpu *cpu, unsigned long work)
{
	unsigned long before = atomic_long_read(&cpu->w);

	KUNIT_EXPECT_EQ(cpu->test, defer(cpu, work), CPUWORD_REFUSED);
	KUNIT_EXPECT_EQ(cpu->test, atomic_long_read(&cpu->w), before);
}

static void kernel_refuses(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	expect_refused(cpu, CPUWORD_TLB);
	KUNIT_EXPECT_FALSE(test, cpuword_try_pin(&cpu->w));
}

static void lazy_refuses(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	cpuword_lazy_exit(&cpu->w);
	expect_refused(cpu, CPUWORD_TLB);
	KUNIT_EXPECT_FALSE(test, cpuword_try_pin(&cpu->w));
}

static void idle_and_guest_refuse_what_they_do_not_accept(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	leave(cpu, CT_STATE_IDLE);
	expect_refused(cpu, CPUWORD_TLB);
	enter(cpu, CT_STATE_IDLE);
	leave(cpu, CT_STATE_GUEST);
	expect_refused(cpu, CPUWORD_ISYNC);
}

static void user_refuses_part_of_a_request_whole(struct kunit *test)
{
	struct cpu *cpu = test->priv;
	unsigned long unknown = BIT(CPUWORD_LATE_SHIFT + CPUWORD_LATE_WIDTH);

	leave(cpu, CT_STATE_USER);
	expect_refused(cpu, CPUWORD_TLB | unknown);
}

static void nmi_over_user_refuses(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	leave(cpu, CT_STATE_USER);
	cpuword_nmi_enter(&cpu->w);
	expect_refused(cpu, CPUWORD_TLB);
	KUNIT_EXPECT_FALSE(test, cpuword_try_pin(&cpu->w));
}

/* A CPU that is not tracked: USER by name, but RCU watches. */
static void untracked_user_refuses(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	atomic_long_add(CT_STATE_USER, &cpu->w);
	expect_refused(cpu, CPUWORD_TLB);
	KUNIT_EXPECT_FALSE(test, cpuword_try_pin(&cpu->w));
}

static void early_work_runs_before_its_bit_goes(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	leave(cpu, CT_STATE_USER);
	other_cpu_changes(cpu, BOTH);
	/* Between cpuword_early()'s two halves. */
	cpu->step = 0;
	cpu->at = 2;
	cpu->intruder = NMI;
	enter(cpu, CT_STATE_USER);
	KUNIT_EXPECT_TRUE(test, cpu->came);
	KUNIT_EXPECT_EQ(test, cpu->early_ran, 2);
}

static void late_work_runs_once(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	leave(cpu, CT_STATE_USER);
	KUNIT_EXPECT_EQ(test, defer(cpu, LATE), CPUWORD_ACCEPTED);
	KUNIT_EXPECT_EQ(test, defer(cpu, LATE), CPUWORD_COALESCED);
	nmi(cpu);
	KUNIT_EXPECT_EQ(test, cpu->late_ran, 0);
	enter(cpu, CT_STATE_USER);
	KUNIT_EXPECT_EQ(test, cpu->late_ran, 1);
	leave(cpu, CT_STATE_USER);
	enter(cpu, CT_STATE_USER);
	KUNIT_EXPECT_EQ(test, cpu->late_ran, 1);
}

/* --- Pin --- */

static void only_one_pins_an_eqs(struct kunit *test)
{
	const struct ctx_param *p = test->param_value;
	struct cpu *cpu = test->priv;

	KUNIT_EXPECT_FALSE(test, cpuword_try_pin(&cpu->w));
	leave(cpu, p->ctx);
	KUNIT_EXPECT_TRUE(test, cpuword_try_pin(&cpu->w));
	KUNIT_EXPECT_FALSE(test, cpuword_try_pin(&cpu->w));
	cpuword_drop_pin(&cpu->w);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w) & CPUWORD_PIN, 0);
}

static void pin_does_not_lose_work(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	leave(cpu, CT_STATE_USER);
	/* Work comes between the pinner's read and its write. */
	cpu->step = 0;
	cpu->at = 0;
	cpu->intruder = DEFERRER;
	KUNIT_EXPECT_TRUE(test, cpuword_try_pin(&cpu->w));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w) & CPUWORD_WORK_MASK,
			BOTH | LATE);
}

static void pinned_cpu_waits_in_its_eqs(struct kunit *test)
{
	struct cpu *cpu = test->priv;
	unsigned long before;

	leave(cpu, CT_STATE_USER);
	KUNIT_ASSERT_TRUE(test, cpuword_try_pin(&cpu->w));
	before = counter(cpu);
	/* When it has backed out, another CPU leaves work: accepted. */
	cpu->step = 0;
	cpu->at = 2;
	cpu->intruder = DEFERRER;
	cpu->pinned = true;
	cpu->unpin_at = 7;
	enter(cpu, CT_STATE_USER);
	KUNIT_EXPECT_TRUE(test, cpu->came);
	KUNIT_EXPECT_EQ(test, cpu->late_deferred, 1);
	KUNIT_EXPECT_EQ(test, cpu->late_ran, 1);
	if (!IS_ENABLED(CONFIG_CPUWORD_TORTURE_COUNTER))
		KUNIT_EXPECT_GT(test, counter(cpu), before + 1);
}

static void nmi_exit_does_not_bring_a_dropped_pin_back(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	leave(cpu, CT_STATE_USER);
	KUNIT_ASSERT_TRUE(test, cpuword_try_pin(&cpu->w));
	cpuword_nmi_enter(&cpu->w);
	/* The holder lets go between the read and the write of the exit. */
	cpu->pinned = true;
	cpu->unpin_at = cpu->step;
	cpuword_nmi_exit(&cpu->w);
	KUNIT_EXPECT_FALSE(test, cpu->pinned);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w) & CPUWORD_PIN, 0);
	KUNIT_EXPECT_FALSE(test, watching(cpu));
}

/* --- Somebody at every step of two round trips --- */

#define ROUND_TRIPS_STEPS	17

static void all_steps_are_known(struct kunit *test)
{
	struct cpu *cpu = test->priv;

	round_trips(cpu);
	KUNIT_EXPECT_EQ(test, cpu->step, ROUND_TRIPS_STEPS);
}

/* Each stands for its number. */
static const char steps[ROUND_TRIPS_STEPS];

static void describe_step(const char *step, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "step %td", step - steps);
}

KUNIT_ARRAY_PARAM(step, steps, describe_step);

static void round_trips_with(struct kunit *test, enum intruder intruder)
{
	const char *step = test->param_value;
	struct cpu *cpu = test->priv;

	cpu->intruder = intruder;
	cpu->at = step - steps;
	round_trips(cpu);
	if (cpu->pinned)
		cpuword_drop_pin(&cpu->w);

	KUNIT_EXPECT_TRUE(test, cpu->came);
	KUNIT_EXPECT_EQ(test, cpu->late_ran, cpu->late_deferred);
	KUNIT_EXPECT_EQ(test, ctx_of(cpu), CT_STATE_KERNEL);
	KUNIT_EXPECT_TRUE(test, watching(cpu));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cpu->w) &
			(CPUWORD_WORK_MASK | CPUWORD_PIN), 0);
}

static void nmi_at_every_step(struct kunit *test)
{
	round_trips_with(test, NMI);
}

static void deferral_at_every_step(struct kunit *test)
{
	round_trips_with(test, DEFERRER);
}

static void pin_at_every_step(struct kunit *test)
{
	round_trips_with(test, PINNER);
}

/* Links on any architecture, whatever sections its linker script has. */
static void text_is_deferrable_where_there_is_a_word(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, cpuword_text_range_deferrable(user_accepts, 1),
			IS_ENABLED(CONFIG_CPUWORD));
}

static struct kunit_case protocol_cases[] = {
	KUNIT_CASE(text_is_deferrable_where_there_is_a_word),
	KUNIT_CASE(fields_cover_the_word_once),
	KUNIT_CASE(counter_wraps_off_the_top),
	KUNIT_CASE(entry_from_wrapped_counter_keeps_work),
	KUNIT_CASE_PARAM(eqs_round_trip_steps_counter_twice, eqs_gen_params),
	KUNIT_CASE_PARAM(nmi_in_eqs_keeps_context, eqs_gen_params),
	KUNIT_CASE(lazy_never_stops_watching),
	KUNIT_CASE(user_accepts_then_coalesces),
	KUNIT_CASE(short_way_coalesces_as_the_long_one),
	KUNIT_CASE(implicit_work_sets_no_bit),
	KUNIT_CASE(kernel_refuses),
	KUNIT_CASE(lazy_refuses),
	KUNIT_CASE(idle_and_guest_refuse_what_they_do_not_accept),
	KUNIT_CASE(user_refuses_part_of_a_request_whole),
	KUNIT_CASE(nmi_over_user_refuses),
	KUNIT_CASE(untracked_user_refuses),
	KUNIT_CASE(early_work_runs_before_its_bit_goes),
	KUNIT_CASE(late_work_runs_once),
	KUNIT_CASE_PARAM(only_one_pins_an_eqs, eqs_gen_params),
	KUNIT_CASE(pin_does_not_lose_work),
	KUNIT_CASE(pinned_cpu_waits_in_its_eqs),
	KUNIT_CASE(nmi_exit_does_not_bring_a_dropped_pin_back),
	KUNIT_CASE(all_steps_are_known),
	KUNIT_CASE_PARAM(nmi_at_every_step, step_gen_params),
	KUNIT_CASE_PARAM(deferral_at_every_step, step_gen_params),
	KUNIT_CASE_PARAM(pin_at_every_step, step_gen_params),
	{}
};

static struct kunit_suite protocol_suite = {
	.name = "cpuword_protocol",
	.init = protocol_init,
	.exit = protocol_exit,
	.test_cases = protocol_cases,
};

kunit_test_suite(protocol_suite);
