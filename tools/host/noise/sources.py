# SPDX-License-Identifier: GPL-2.0
"""Who sends what reaches an isolated CPU, by the stacks of its senders."""

import re

from host.arch import ARCHES

# What firmware is asked for, by number, and the same as it counts that.
FENCES = {number: name for arch in ARCHES.values() if arch.stacks
          for number, name in enumerate(arch.stacks.fences)}

# What is in /proc/interrupts, by description.
INTERRUPTS = [("function call", re.compile("function call", re.I)),
              ("reschedule", re.compile("rescheduling", re.I)),
              ("TLB shootdown", re.compile("TLB shootdown", re.I)),
              ("irq_work", re.compile("irq work", re.I)),
              ("timer", re.compile("timer", re.I))]


def of_all(what):
    """These functions of any architecture: on a machine of the user's it is not
    known which one it is."""
    return "|".join(getattr(arch.stacks, what) for arch in ARCHES.values()
                    if arch.stacks)


def called(source, functions):
    """A pattern for these functions, and those that architectures add."""
    more = [arch.stacks.senders[source] for arch in ARCHES.values()
            if arch.stacks and source in arch.stacks.senders]
    return rf"\|({'|'.join([functions, *more])})\|"


# A stack trace begins with how an IPI is sent, which says nothing ...
PLUMBING = re.compile(
    r"^(trace_event_raw_event_|__traceiter_|__?smp_call|smp_call_function|"
    r"on_each_cpu_cond_mask|generic_exec_single|__irq_work_queue_local|"
    r"irq_work_queue|resched_curr|__resched_curr|" + of_all("plumbing") + ")")

# ... and below an interrupt it goes on with what that happened to interrupt,
# which is not its cause, and below a system call with its way in.
INTERRUPTED = re.compile(
    r"^(call_on_irq|do_irq|ret_from_fork|ksys_|__se_sys|vfs_write|kthread$|"
    r"do_idle|" + of_all("below") + ")")

# Who sends, by name: the first of these that is in the sender's stack, which is
# written "|frame|frame|". DEFERRABLE change what the kernel alone uses; to the
# others a CPU has to answer at once.
DEFERRABLE = {source: called(source, functions) for source, functions in {
    "text patching": r"arch_jump_label_transform\w*|arch_static_call_transform|"
                     r"arch_(dis)?arm_kprobe|arch_(un)?optimize_kprobes?",
    "set_memory": r"_*set_memory\w*|set_direct_map_\w+",
    "vmalloc purge": r"__purge_vmap_area_lazy|_?vm_unmap_aliases\w*",
    "percpu": r"pcpu_\w+",
    "instruction cache": r"flush_icache_\w+|kick_all_cpus_sync\w*",
    "ftrace barrier": r"ftrace_modify_all_code|update_ftrace_function",
}.items()}

OTHERS = {
    # The flush of a split: the two sizes may not meet.
    "page split": rf"^\|(flush_tlb_all\|)?({of_all('split')})\|",
    **{source: called(source, functions) for source, functions in {
        "stop_machine": r"stop_machine\w*|multi_cpu_stop|cpu_stop_queue_work|"
                        r"stop_one_cpu\w*|cpu_stopper_thread",
        "tick": r"tick_nohz_\w+",
        "work on each CPU": r"schedule_on_each_cpu|queue_work_on|__queue_work",
        "RCU": r"(synchronize_)?s?rcu_\w+|sync_rcu_\w+|call_rcu\w*|force_qs_rnp",
        "user TLB": r"flush_tlb_mm_range|arch_tlbbatch_flush|flush_tlb_page|"
                    r"ptep_clear_flush\w*",
        "perf": r"perf_\w+|event_function_call",
        "timer": r"hrtimers?_\w+|clock_was_set\w*|add_timer_on|"
                 r"wake_up_nohz_cpu|get_nohz_timer_target",
    }.items()},
}

SOURCES = [(name, re.compile(pattern)) for name, pattern in
           [("page split", OTHERS["page split"]), *DEFERRABLE.items(),
            *OTHERS.items()]]

# Where set_memory flushes at once on our kernel for a split alone.
OUR_SPLIT = re.compile(rf"^\|({of_all('our_split')})\|")


def cause(stack):
    frames: list = []
    for frame in stack:
        if INTERRUPTED.match(frame):
            break
        if frames or not PLUMBING.match(frame):
            # Compilers split functions; and modules are gone by now.
            frames.append(frame.split(".")[0].split(" ")[0])
    return tuple(frames)


def source(kind, frames, ours=False):
    """The name of who sent it; ours says that it was our kernel."""
    stack = f"|{'|'.join(frames)}|"
    if ours and OUR_SPLIT.search(stack):
        return "page split"
    for name, pattern in SOURCES:
        # Those two kinds say themselves that nothing of ours is in them.
        if (pattern.search(stack) and not
                (name in DEFERRABLE and kind in ("reschedule", "irq_work"))):
            return name
    return {"reschedule": "scheduler", "irq_work": "irq_work"}.get(kind, "other")
