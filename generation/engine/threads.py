"""How many threads draw on the CPU: one for each physical core that this process may use."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path


def drawing_threads(system: Path = Path("/sys")) -> int | None:
    """Physical cores within the process's affinity and its container's share; None leaves it to torch.

    A second thread on the same core gains nothing in matrix products, and more threads than the container's
    share of the processors are stopped again and again, each time with the others waiting for them.
    """
    if sys.platform != "linux" or "OMP_NUM_THREADS" in os.environ:
        return None
    allowed = os.sched_getaffinity(0)
    cores = set()
    for cpu in allowed:
        siblings = system / f"devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        cores.add(siblings.read_text().strip() if siblings.exists() else str(cpu))
    share = system / "fs/cgroup/cpu.max"
    quota, _, period = share.read_text().strip().partition(" ") if share.exists() else ("max", "", "")
    limit = len(cores) if quota == "max" else math.ceil(int(quota) / int(period))
    return max(1, min(len(cores), limit))
