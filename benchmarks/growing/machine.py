"""The machine and the versions that figures come from: kinds and sizes, no names."""

import os
import platform
from importlib import metadata
from pathlib import Path

TOOLS = ("numpy", "polars", "pyarrow", "xxhash")


def machine() -> dict[str, object]:
    """Processor, cores, memory and system."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    return {
        "processor": model,
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Python and the libraries that do the work."""
    return {"python": platform.python_version()} | {tool: metadata.version(tool) for tool in TOOLS}
