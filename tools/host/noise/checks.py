# SPDX-License-Identifier: GPL-2.0
"""What has to hold of a run in a guest."""

from collections import Counter

from host.arch import MACHINES
from host.noise.sources import DEFERRABLE


class Checks:
    def __init__(self, arch, times, tests):
        facts = MACHINES[arch].noise
        self.remains = facts.remains
        self.expected = {load: n * times for load, n in facts.expected.items()}
        self.check = tests.check

    def may_remain(self, name, load):
        loads = self.remains.get(name, ())
        return loads == "all" or load in loads

    def off(self, run):
        for load, m in run.loads.items():
            least = self.expected.get(load, 0)
            for cpu in run.isolated:
                n = m.deferrable(cpu)
                self.check(f"off/{load}/cpu{cpu}/sent", n >= least,
                           f"{n} that can be deferred, at least {least} "
                           "expected")

    def on(self, run):
        for load, m in run.loads.items():
            total = 0
            for cpu in run.isolated:
                # A CPU that one of those that remain (or a timer) has called
                # into the kernel cannot defer just then.
                others = sum(n for name, n in m.by_source(cpu).items()
                             if self.may_remain(name, load))
                excused = min(m.deferred[cpu]["refused"],
                              others + sum(m.timers[cpu].values()))
                total += excused
                self.few(f"on/{load}/cpu{cpu}/sent", excused,
                         m.deferrable(cpu), m, m.sent[cpu])
                self.few(f"on/{load}/cpu{cpu}/queued", excused,
                         self.deferrable(m, m.queued[cpu]), m, m.queued[cpu])
                strange = Counter({
                    key: n for key, n in m.sent[cpu].items()
                    if m.source(*key) not in DEFERRABLE and
                    not self.may_remain(m.source(*key), load)})
                self.check(f"on/{load}/cpu{cpu}/others", not strange,
                           "sent what should not be there"
                           + self.worst(strange))
            # Does not hang on what the firmware counts.
            self.few(f"on/{load}/fences", total,
                     self.deferrable(m, m.calls), m, m.calls)

    @staticmethod
    def deferrable(m, sent):
        return sum(n for (_, frames), n in sent.items()
                   if m.source("function call", frames) in DEFERRABLE)

    def few(self, name, most, n, m, sent):
        """That n, so many of what was sent, is what can be excused."""
        self.check(name, n <= most, f"{n} that can be deferred, "
                   f"{most or 'none'} expected" + self.worst(Counter({
                       (kind, frames): n for (kind, frames), n in sent.items()
                       if m.source("function call", frames) in DEFERRABLE})))

    @staticmethod
    def worst(sent):
        """In words, the most frequent of these."""
        for (kind, frames), n in sent.most_common(1):
            return f": {n} times {kind}: {' < '.join(frames[:6])}"
        return ""

    def statistics(self, title, run):
        """That the senders traced explain what was received: or something
        would be hidden. (IPIs that meet on their way are received as one.)"""
        for load, m in run.loads.items():
            for cpu in run.isolated:
                pairs = [(kind, m.interrupts[cpu][kind])
                         for kind in ("function call", "reschedule")]
                pairs += m.fences[cpu].items()
                for kind, received in pairs:
                    sent = m.sent_of_kind(kind, cpu)
                    if kind == "reschedule":
                        # x86 and riscv also wake an idle CPU in this way, and
                        # arm64 runs irq_work.
                        sent += m.sent_of_kind("irq_work", cpu)
                    self.check(f"{title}/{load}/cpu{cpu}/{kind}s received",
                               received <= sent,
                               f"{received}, but {sent} were seen to be sent")
                self.check(f"{title}/{load}/cpu{cpu}/spinner",
                           m.loops[cpu] > 0 and m.running[cpu],
                           "it did not run")
        for load, why in run.skipped.items():
            self.check(f"{title}/{load}", False, f"left out: {why}")
