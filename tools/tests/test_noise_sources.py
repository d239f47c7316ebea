# SPDX-License-Identifier: GPL-2.0
"""Who sends: stacks of each architecture, as they were recorded."""

import re
import unittest

from host.noise.sources import DEFERRABLE, OTHERS, cause, source

CALL, RESCHEDULE, IRQ_WORK = "function call", "reschedule", "irq_work"

MODULE = ("load_module < init_module_from_file < idempotent_init_module < "
          "__x64_sys_finit_module < do_syscall_64")
MANY = ("trace_event_raw_event_ipi_send_cpumask < smp_call_function_many_cond < "
        "on_each_cpu_cond_mask < ")
FENCE = ("trace_event_raw_event_sbi_call < __sbi_ecall < "
         "__sbi_rfence_v02_call.constprop.0 < __sbi_rfence_v02 < ")
WAKE = ("wakeup_preempt < ttwu_do_activate < try_to_wake_up < ")

# (source, kind, stack)
STACKS = [
    # x86_64
    ("text patching", CALL, MANY + "on_each_cpu_deferrable < "
     "text_poke_bp_batch < text_poke_bp < __static_call_transform < "
     "arch_static_call_transform < __static_call_update"),
    ("text patching", CALL, MANY + "on_each_cpu_deferrable < "
     "text_poke_bp_batch < text_poke_finish < arch_jump_label_transform_apply"),
    ("set_memory", CALL, MANY + "on_each_cpu_deferrable < "
     "change_page_attr_set_clr < set_memory_rox < module_enable_text_rox < "
     + MODULE),
    ("page split", CALL, MANY + "__change_page_attr_set_clr < "
     "__change_page_attr_set_clr < change_page_attr_set_clr < set_memory_ro < "
     "module_enable_rodata_ro < " + MODULE),
    ("vmalloc purge", CALL, MANY + "on_each_cpu_deferrable < "
     "cpuword_quarantine_flush < __purge_vmap_area_lazy < _vm_unmap_aliases < "
     "vfree < do_init_module < init_module_from_file"),
    ("percpu", CALL, MANY + "on_each_cpu_deferrable < pcpu_balance_workfn < "
     "process_one_work < worker_thread < kthread < ret_from_fork"),
    ("ftrace barrier", CALL, MANY + "ftrace_modify_all_code < "
     "ftrace_shutdown.part.0 < unregister_ftrace_function"),
    ("work on each CPU", RESCHEDULE, "trace_event_raw_event_ipi_send_cpu < "
     "resched_curr < " + WAKE + "kick_pool < __queue_work < queue_work_on < "
     "rcu_tasks_rude_wait_gp < rcu_tasks_one_gp < rcu_tasks_kthread < kthread"),
    ("tick", CALL, "trace_event_raw_event_ipi_send_cpu < "
     "__smp_call_single_queue < irq_work_queue_on < tick_nohz_dep_set_cpu < "
     "enqueue_task_fair < activate_task < ttwu_do_activate < try_to_wake_up"),
    ("user TLB", CALL, MANY + "native_flush_tlb_multi < flush_tlb_mm_range < "
     "tlb_finish_mmu < unmap_region < do_vmi_align_munmap"),
    ("perf", CALL, "__smp_call_single_queue < generic_exec_single < "
     "smp_call_function_single < event_function_call < perf_event_enable < "
     "perf_ioctl"),
    ("timer", RESCHEDULE, "wake_up_nohz_cpu < add_timer_on < "
     "mod_delayed_work_on"),
    # arm64
    ("instruction cache", CALL, "__traceiter_ipi_send_cpumask < "
     "smp_call_function_many_cond < on_each_cpu_cond_mask < "
     "on_each_cpu_deferrable < kick_all_cpus_sync_deferrable < "
     "flush_icache_range_deferrable < load_module"),
    ("stop_machine", RESCHEDULE, "resched_curr < " + WAKE + "wake_up_process < "
     "cpu_stop_queue_work < queue_stop_cpus_work.constprop.0 < "
     "stop_machine_cpuslocked < aarch64_insn_patch_text < arch_arm_kprobe < "
     "enable_kprobe"),
    ("tick", IRQ_WORK, "__traceiter_ipi_send_cpu < __irq_work_queue_local < "
     "irq_work_queue < tick_nohz_full_kick < tick_nohz_dep_set_cpu < "
     "enqueue_task_fair < sched_ttwu_pending < ipi_handler"),
    # riscv
    ("RCU", RESCHEDULE, "trace_event_raw_event_ipi_send_cpu < resched_curr < "
     "resched_cpu < force_qs_rnp < rcu_gp_fqs_loop < rcu_gp_kthread < kthread"),
    ("text patching", "fence.i", FENCE + "sbi_remote_fence_i < "
     "flush_icache_all_deferrable < arch_jump_label_transform_apply < "
     "__jump_label_update"),
    ("instruction cache", "fence.i", FENCE + "sbi_remote_fence_i < "
     "flush_icache_all_deferrable < flush_icache_range_deferrable < "
     "load_module"),
    ("set_memory", "sfence.vma", FENCE + "sbi_remote_sfence_vma_asid < "
     "__flush_tlb_range < flush_tlb_all_deferrable < change_memory < "
     "set_direct_map_invalid_noflush < vfree"),
    ("percpu", "sfence.vma", FENCE + "sbi_remote_sfence_vma_asid < "
     "__flush_tlb_range < flush_tlb_kernel_range_deferrable < "
     "pcpu_post_unmap_tlb_flush < pcpu_balance_workfn"),
    ("vmalloc purge", "sfence.vma", FENCE + "sbi_remote_sfence_vma_asid < "
     "__flush_tlb_range < flush_tlb_kernel_range_deferrable < "
     "__purge_vmap_area_lazy < _vm_unmap_aliases < vfree"),
    # What is in no list has the name of its kind.
    ("scheduler", RESCHEDULE, "resched_curr < " + WAKE + "wake_up_q < futex_wake"),
    ("irq_work", IRQ_WORK, "irq_work_queue < bpf_send_signal"),
    ("other", CALL, MANY + "on_each_cpu < invalidate_bh_lrus"),
]

SPLIT = (FENCE + "sbi_remote_sfence_vma_asid < flush_tlb_all < change_memory < "
         "set_memory_ro < module_enable_rodata_ro")


def causes(text):
    return cause(text.split(" < "))


class Sources(unittest.TestCase):
    def test_recorded_stacks(self):
        for name, kind, stack in STACKS:
            with self.subTest(stack):
                self.assertEqual(source(kind, causes(stack), ours=True), name)

    def test_every_source_has_a_stack(self):
        self.assertEqual({*DEFERRABLE, *OTHERS, "scheduler", "irq_work",
                          "other"}, {name for name, _, _ in STACKS})

    def test_patterns_fit_whole_frames(self):
        # A pattern begins and ends at a "|": text_poke is not text_poke_early.
        for name, pattern in {**DEFERRABLE, **OTHERS}.items():
            with self.subTest(name):
                self.assertRegex(pattern, r"^\^?\\\|")
                self.assertTrue(pattern.endswith(r"\|"))
                re.compile(pattern)

    def test_riscv_split_is_one_on_our_kernel_alone(self):
        frames = causes(SPLIT)
        self.assertEqual(source("sfence.vma", frames, ours=True), "page split")
        self.assertEqual(source("sfence.vma", frames), "set_memory")

    def test_a_reschedule_is_never_deferrable(self):
        # It wakes up somebody, whoever patches below.
        frames = causes("resched_curr < " + WAKE + "wake_up_process < "
                        "text_poke_bp_batch < text_poke_bp")
        self.assertEqual(source(RESCHEDULE, frames), "scheduler")
        self.assertEqual(source(IRQ_WORK, frames), "irq_work")
        self.assertEqual(source(CALL, frames), "text patching")


class Cause(unittest.TestCase):
    def test_how_it_is_sent_is_left_out(self):
        self.assertEqual(causes(FENCE + "sbi_remote_fence_i < flush_icache_all"),
                         ("flush_icache_all",))

    def test_plumbing_further_down_stays(self):
        self.assertEqual(causes("resched_curr < try_to_wake_up < irq_work_queue"),
                         ("try_to_wake_up", "irq_work_queue"))

    def test_what_was_interrupted_is_left_out(self):
        for frame in ("asm_sysvec_apic_timer_interrupt", "el1h_64_irq",
                      "handle_riscv_irq", "__x64_sys_finit_module", "kthread"):
            with self.subTest(frame):
                self.assertEqual(causes(f"add_timer_on < {frame} < text_poke_bp"),
                                 ("add_timer_on",))

    def test_parts_and_modules_have_the_functions_name(self):
        self.assertEqual(causes("ftrace_shutdown.part.0 < run [test_module]"),
                         ("ftrace_shutdown", "run"))
