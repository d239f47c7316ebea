# SPDX-License-Identifier: GPL-2.0
"""What has to hold of the figures."""

from host.arch import MACHINES

OPERATIONS = {"flip": "scheduler feature off and on",
              "purge": "16 MB mapped and unmapped"}

# CPUs that are not isolated gain nothing by the word, and may pay this many
# instructions; none, if no CPU is isolated.
HOUSEKEEPING_MAY_COST = 3

# More instructions of an entry with a TLB flush pending.
FLUSH_MAY_COST = {"": 60, ", pti=on": 25}

# A deferred broadcast to 64 CPUs costs its sender at most this share of IPIs.
BROADCAST_MAY_COST = 1 / 5

# The atomics of a deferred broadcast that are not on a CPU's word: its barrier.
OWN_ATOMICS = 2

# An isolated CPU of a stock kernel receives at least so many IPIs and fences;
# to that end each load is done so many times as often as in the demo.
STOCK_RECEIVES = 5000


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, condition, what):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {what}")

    def getpid(self, results, arch):
        for setting in ("off", "on"):
            for cpu, stock in results["stock"].items():
                if cpu.startswith("isolated"):
                    limit = stock * MACHINES[arch].bench.getpid_may_cost
                elif "none isolated" in cpu:
                    limit = stock
                else:
                    limit = stock + HOUSEKEEPING_MAY_COST
                n = results[setting][cpu]
                self.expect(n <= limit,
                            f"getpid on the {cpu} CPU, deferral {setting}: {n} "
                            f"instructions, at most {limit:.2f} expected")

    def entry(self, results):
        for setting in ("off", "on"):
            for row, stock in results.get("stock", {}).items():
                # With deferral on there are no interrupts to count.
                n = results[setting].get(row, 0 if setting == "on" else None)
                self.expect(n is not None and n <= stock,
                            f"{row}, deferral {setting}: {n} instructions, at "
                            f"most the stock kernel's {stock} expected")
        on = results["on"]
        for pti, limit in FLUSH_MAY_COST.items():
            plain = on.get(f"system call{pti}")
            pending = on.get(f"system call, TLB pending{pti}")
            self.expect(plain and pending and pending - plain <= limit,
                        f"a system call{pti} with a TLB flush pending takes "
                        f"{pending} instructions, without {plain}; at most "
                        f"{limit} more expected")

    def broadcast(self, results, arch):
        size = max(results)
        for name, what in OPERATIONS.items():
            if name in MACHINES[arch].bench.no_ipi:
                continue
            runs = results[size][name]
            # In the quick form it is ours that sends the IPIs.
            ipi = runs.get("stock") or runs["off"]
            on = runs["on"]
            if not (ipi["broadcasts"] and on["broadcasts"]):
                self.expect(False, f"{what}: nothing was broadcast")
                continue
            share = on["broadcast_instructions"] / ipi["broadcast_instructions"]
            self.expect(share <= BROADCAST_MAY_COST,
                        f"{what}, {size} CPUs: a deferred broadcast is "
                        f"{share:.2f} of the instructions of an IPI broadcast, "
                        f"at most {BROADCAST_MAY_COST:.2f} expected")
            others = size - 1
            self.expect(ipi["broadcast_atomics"] >= others,
                        f"{what}: an IPI broadcast was seen to take "
                        f"{ipi['broadcast_atomics']:.0f} atomics only: are all "
                        "counted?")
            self.expect(on["broadcast_atomics"] <= OWN_ATOMICS,
                        f"{what}, {size} CPUs: a deferred broadcast takes "
                        f"{on['broadcast_atomics']:.0f} atomics, at most "
                        f"{OWN_ATOMICS} of its own expected")
            if name != "flip":
                continue
            # A CPU that is in the kernel for a moment refuses, and its bit is
            # to be set anew afterwards.
            deferred = on["coalesced"] + on["accepted"]
            self.expect(deferred >= 0.98 * others * on["broadcasts"],
                        f"{what}: {deferred:.0f} deferrals for "
                        f"{on['broadcasts']:.0f} broadcasts to {others} CPUs")
            self.expect(on["coalesced"] >= 0.9 * deferred,
                        f"{what}: only {on['coalesced']:.0f} of "
                        f"{deferred:.0f} deferrals found their bit set")

    def sources(self, results):
        for cpu in next(iter(results["stock"].values()))["cpus"]:
            stock = sum(load["deferrable"][cpu]
                        for load in results["stock"].values())
            self.expect(stock >= STOCK_RECEIVES,
                        f"CPU {cpu} of the stock kernel receives {stock} IPIs "
                        f"that may be deferred; {STOCK_RECEIVES} expected")
            for name, load in results["on"].items():
                self.expect(not load["deferrable"][cpu],
                            f"CPU {cpu} receives {load['deferrable'][cpu]} IPIs "
                            f"that may be deferred, with deferral on ({name})")


def check(data):
    """Prints what is not as it should be; returns the exit status."""
    checks = Checks()
    if "getpid" in data:
        checks.getpid(data["getpid"], data["arch"])
    if "entry" in data:
        checks.entry(data["entry"])
    if "broadcast" in data:
        checks.broadcast(data["broadcast"], data["arch"])
    if "sources" in data:
        checks.sources(data["sources"])
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0
