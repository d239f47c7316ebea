/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What core/ uses of the kernel, for the model checker: every header of the
 * kernel's that it includes becomes this one.
 */
#ifndef _MODEL_KERNEL_H
#define _MODEL_KERNEL_H

/* --- The language --- */

typedef _Bool bool;
typedef unsigned long size_t;
#define true	1
#define false	0
#define NULL	((void *)0)
#define EINVAL	22

#define __always_inline		inline
#define noinstr
#define __init
#define __initdata
#define __read_mostly
#define ____cacheline_aligned
#define __aligned(x)
#define IS_ENABLED(option)	0
#define likely(x)		(x)
#define unlikely(x)		(x)
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, value)	((x) = (value))
#define data_race(x)		(x)
#define static_assert(expr)	_Static_assert(expr, #expr)
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define BUILD_BUG()		model_warn(true)

/* A warning of core's is a property that does not hold. */
void model_warn(bool warned);

#define WARN_ONCE(condition, ...) ({			\
	bool __warned = !!(condition);			\
							\
	model_warn(__warned);				\
	__warned;					\
})
#define WARN_ON_ONCE(condition)	WARN_ONCE(condition)
#define pr_warn(...)		((void)0)
#define pr_warn_once(...)	((void)0)

/* --- Bits --- */

#ifdef CONFIG_64BIT
#define BITS_PER_LONG	64
#else
#define BITS_PER_LONG	32
#endif

#define BIT(nr)		(1UL << (nr))
#define GENMASK(h, l)	((~0UL << (l)) & (~0UL >> (BITS_PER_LONG - 1 - (h))))
#define BITS_TO_LONGS(nr) (((nr) + BITS_PER_LONG - 1) / BITS_PER_LONG)

#define for_each_set_bit(bit, word, size)		\
	for ((bit) = 0; (bit) < (size); (bit)++)	\
		if (*(word) & BIT(bit))

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static inline unsigned long __ffs(unsigned long word)
{
	unsigned long bit = 0;

	while (!(word & BIT(bit)))
		bit++;
	return bit;
}

static inline unsigned int hweight_long(unsigned long word)
{
	unsigned int n = 0;

	for (; word; word &= word - 1)
		n++;
	return n;
}

/* --- CPUs --- */

/*
 * Each thread is a CPU, and a per-CPU variable an array.  What it is defined to
 * begin as is in model_init_<name>.
 */
extern __CPROVER_thread_local int model_cpu;

#define smp_processor_id()	model_cpu
#define nr_cpu_ids		CPUS
#define cpu_possible(cpu)	((cpu) >= 0 && (cpu) < CPUS)
#define preempt_disable()	((void)0)
#define preempt_enable()	((void)0)
#define lockdep_assert_irqs_disabled() ((void)0)

#define DECLARE_PER_CPU_ALIGNED(type, name) extern type name[CPUS]
#define DEFINE_PER_CPU_ALIGNED(type, name)	\
	type name[CPUS];			\
	static const type model_init_##name
#define DEFINE_PER_CPU(type, name) type name[CPUS]
#define DECLARE_PER_CPU_PAGE_ALIGNED(type, name) DECLARE_PER_CPU_ALIGNED(type, name)
#define DEFINE_PER_CPU_PAGE_ALIGNED(type, name) DEFINE_PER_CPU_ALIGNED(type, name)
#define per_cpu_ptr(array, cpu)	(&(*(array))[cpu])
#define this_cpu_ptr(array)	per_cpu_ptr(array, model_cpu)

/* The word, as cpuword.v.counter; or statistics, which no property is about. */
#define this_cpu_read(field)	raw_atomic_long_read(this_cpuword())
#define this_cpu_add(field, n) ((#field)[sizeof("cpuword") - 1] != '.' ? (void)0 : \
	raw_atomic_long_set(this_cpuword(), raw_atomic_long_read(this_cpuword()) + (n)))
#define this_cpu_inc(field)	((void)0)
#define __this_cpu_inc(field)	((void)0)
#define raw_atomic_long_inc(v)	((void)(v))
/* How often a flush was deferred. */
#define atomic_long_inc_return_release(v) ((void)(v))

typedef struct cpumask {
	unsigned long bits[1];
} cpumask_t;

/* All of them, always. */
extern struct cpumask model_online[1];

#define cpu_online_mask		model_online
#define small_cpumask_bits	CPUS
#define cpumask_bits(mask)	((mask)->bits)
#define cpumask_copy(to, from)	((void)(*(to) = *(from)))
#define __cpumask_clear_cpu(cpu, mask) ((void)((mask)->bits[0] &= ~BIT(cpu)))
#define __cpumask_set_cpu(cpu, mask) ((void)((mask)->bits[0] |= BIT(cpu)))
#define __cpumask_assign_cpu(cpu, mask, value) \
	((value) ? __cpumask_set_cpu(cpu, mask) : __cpumask_clear_cpu(cpu, mask))
#define cpumask_weight(mask)	hweight_long((mask)->bits[0])
#define for_each_cpu(cpu, mask)				\
	for ((cpu) = 0; (cpu) < CPUS; (cpu)++)		\
		if ((mask)->bits[0] & BIT(cpu))

/* See model.h. */
typedef void (*smp_call_func_t)(void *info);
typedef bool (*smp_cond_func_t)(int cpu, void *info);

void on_each_cpu(smp_call_func_t func, void *info, int wait);
void on_each_cpu_cond_mask(smp_cond_func_t cond, smp_call_func_t func,
			   void *info, bool wait, const struct cpumask *mask);
#define on_each_cpu_cond(cond, func, info, wait) \
	on_each_cpu_cond_mask(cond, func, info, wait, cpu_online_mask)
#define on_each_cpu_mask(mask, func, info, wait) \
	on_each_cpu_cond_mask(NULL, func, info, wait, mask)

bool in_nmi(void);
void cpu_relax(void);

/* --- Atomics --- */

typedef struct {
	long counter;
} atomic_long_t;

#define ATOMIC_LONG_INIT(i)	{ (i) }

/*
 * Before and after every access an NMI may land.  Each place in the source is
 * a site.  See model.h, which also looks at what was written.
 */
void model_point(int site);
void model_accessed(void);
void model_stored(atomic_long_t *v, unsigned long new);
void model_modified(atomic_long_t *v, unsigned long old, unsigned long new);
void model_retry(void);

#define model_access(access)	(model_point(__COUNTER__), access)

/*
 * The model checker lets no store be delayed past an atomic section: under TSO
 * an RMW drains the store buffer, whatever order it asks for, as on x86.  All
 * else is plain accesses: a store may be delayed, and neither release nor
 * acquire needs more.  See memory.c.
 */
static inline void smp_mb(void)
{
	__CPROVER_fence("WWfence", "RRfence", "RWfence", "WRfence",
			"WWcumul", "RRcumul", "RWcumul", "WRcumul");
}

static inline long model_read(const atomic_long_t *v)
{
	long value = v->counter;

	model_accessed();
	return value;
}

static inline void model_set(atomic_long_t *v, long new)
{
	v->counter = new;
	model_stored(v, new);
	model_accessed();
}

static inline long model_fetch_add(long i, atomic_long_t *v)
{
	unsigned long old;

	__CPROVER_atomic_begin();
	old = v->counter;
	v->counter = old + i;
	__CPROVER_atomic_end();
	model_modified(v, old, old + i);
	model_accessed();
	return old;
}

static inline long model_fetch_andnot(long i, atomic_long_t *v)
{
	unsigned long old;

	__CPROVER_atomic_begin();
	old = v->counter;
	v->counter = old & ~i;
	__CPROVER_atomic_end();
	model_modified(v, old, old & ~i);
	model_accessed();
	return old;
}

static inline long model_cmpxchg(atomic_long_t *v, long expected, long new)
{
	unsigned long old;

	__CPROVER_atomic_begin();
	old = v->counter;
	if (old == expected)
		v->counter = new;
	__CPROVER_atomic_end();
	if (old == expected)
		model_modified(v, old, new);
	else
		model_retry();
	model_accessed();
	return old;
}

#define raw_atomic_long_read(v)		model_access(model_read(v))
#define atomic_long_read(v)		raw_atomic_long_read(v)
#define atomic_long_read_acquire(v)	raw_atomic_long_read(v)
#define raw_atomic_long_set(v, new)	model_access(model_set(v, new))
#define atomic_long_set(v, new)		raw_atomic_long_set(v, new)
#define raw_atomic_long_set_release(v, new) raw_atomic_long_set(v, new)
#define raw_atomic_long_fetch_add(i, v)	model_access(model_fetch_add(i, v))
#define raw_atomic_long_add_return_release(i, v) \
	(raw_atomic_long_fetch_add(i, v) + (i))
#define raw_atomic_long_andnot(i, v) \
	((void)model_access(model_fetch_andnot(i, v)))
#define atomic_long_fetch_andnot_release(i, v) \
	model_access(model_fetch_andnot(i, v))
#define atomic_long_cmpxchg(v, old, new) \
	model_access(model_cmpxchg(v, old, new))

/* --- What is not modelled --- */

#define EXPORT_SYMBOL_GPL(name)	extern int model_unused
#define MODULE_PARM_DESC(...)	extern int model_unused
#define module_param_cb(...)	extern int model_unused
#define early_param(...)	extern int model_unused
#define core_initcall(...)	extern int model_unused
#define late_initcall(...)	extern int model_unused
#define DEFINE_SHOW_ATTRIBUTE(name) static int name##_fops

#define DEFINE_MUTEX(name)	int name
#define mutex_lock(mutex)	((void)0)
#define mutex_unlock(mutex)	((void)0)

#define DECLARE_TRACEPOINT(name)	extern int model_unused
#define tracepoint_enabled(name)	false
#define trace_cpuword_defer(...)	((void)0)
#define trace_cpuword_run(...)		((void)0)
#define trace_cpuword_defer_enabled()	false

struct kernel_param;
struct seq_file;
struct kernel_param_ops {
	unsigned int flags;
	int (*set)(const char *val, const struct kernel_param *kp);
	int (*get)(char *buf, const struct kernel_param *kp);
};

#define KERNEL_PARAM_OPS_FL_NOARG	1
#define min_t(type, a, b)		((type)(a) < (type)(b) ? (type)(a) : (type)(b))
size_t strcspn(const char *s, const char *reject);
bool sysfs_streq(const char *a, const char *b);
int sysfs_emit(char *buf, const char *format, ...);
void seq_puts(struct seq_file *m, const char *s);
void seq_putc(struct seq_file *m, char c);
void seq_printf(struct seq_file *m, const char *format, ...);
struct dentry *debugfs_create_dir(const char *name, struct dentry *parent);
struct dentry *debugfs_create_file(const char *name, int mode,
				   struct dentry *parent, void *data,
				   const void *ops);
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < CPUS; (cpu)++)
enum { CPUHP_BP_PREPARE_DYN };
#define cpuhp_setup_state_nocalls(state, name, up, down) 0
#define context_tracking_enabled() true
#define context_tracking_enabled_cpu(cpu) true

extern char __noinstr_text_start[], __noinstr_text_end[];
extern char __entry_text_start[], __entry_text_end[];
bool memory_intersects(void *begin, void *end, void *virt, size_t size);

#endif /* _MODEL_KERNEL_H */
