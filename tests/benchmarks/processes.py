"""What is measured in processes of its own: the import, and what a scheduler costs and leaves behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from parts import Setting
from report import Section, Table
from timing import Timing, interleaved

STEPS = """
import itertools, re, statistics, time, spectral_losses as sl
def resident(): return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1])
second = dict(source="spectrum_error", target="gradient_error", initial_weight_source=0.7, final_weight_target=0.4)
second["monitor"] = "spectrum_error"
config = {config}
scheduler, values = sl.LossScheduler(config), itertools.cycle([0.5, 0.4, 0.45, 0.44, 0.43, 0.6])
def run(steps):
    start = time.perf_counter()
    for _ in range(steps):
        scheduler.step({{"spectrum_error": next(values), "field_error": 0.1}})
    return (time.perf_counter() - start) / steps
run(2000)
before = resident()
times = [run({steps} // 100) for _ in range(100)]
print(*(1e6 * t for t in statistics.quantiles(times, n=4)), resident() - before)
"""
CONFIGS = {
    "plateau": "sl.SchedulerConfig()",
    "increase": "sl.SchedulerConfig(trigger='increase', transition_step=1e-6, adaptive_step=False)",
    "epoch": "sl.SchedulerConfig(trigger='epoch', interval=10, transition_step=1e-6, adaptive_step=False)",
    "chain": "sl.SchedulerChain([sl.SchedulerConfig(), sl.SchedulerConfig(**second)])",
}


def importing(setting: Setting) -> Section:
    """``import spectral_losses`` against bare Python, in turn."""

    def process(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    functions = {"bare": process("pass"), "ours": process("import spectral_losses")}
    found = interleaved(functions, max(5, setting.effort.rounds // 2), 10)
    bare, ours = found["bare"], found["ours"]
    if not isinstance(bare, Timing) or not isinstance(ours, Timing):
        raise RuntimeError(f"Python could not be started: {bare}, {ours}")
    header = ["bare Python, ms", "with import spectral_losses, ms", "added, ms"]
    row = [f"{1e3 * t.median:.1f} [{1e3 * t.low:.1f}-{1e3 * t.high:.1f}]" for t in (bare, ours)]
    added = f"{1e3 * (ours.median - bare.median):.1f}"
    return Section("import", [Table("", header, [[*row, added]])], {"bare": bare.median, "ours": ours.median})


def scheduler(setting: Setting) -> Section:
    """Time of `LossScheduler.step`, and the growth of the process over many of them (Linux)."""
    steps = 20_000 if setting.quick else 1_000_000
    header = ["LossScheduler.step", "median [quartiles], microseconds", f"memory grown over {steps} steps, KiB"]
    rows = []
    for name, config in CONFIGS.items() if Path("/proc/self/status").exists() else ():
        code = STEPS.format(config=config, steps=steps)
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        low, median, high, grown = map(float, found.split())
        rows.append([name, f"{median:.1f} [{low:.1f}-{high:.1f}]", f"{grown:.0f}"])
    return Section("scheduler", [Table("", header, rows)], rows)
