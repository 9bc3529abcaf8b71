"""A machine with libtpu and without a TPU: what libtpu would ask the machine for, and complain that it has not."""

import os
from collections.abc import MutableMapping
from pathlib import Path

GOOGLE = "0x1ae0"  # the vendor of TPUs on the PCI bus

# Answers that keep libtpu quiet. Where there is a TPU they would be wrong.
ANSWERS = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}


def has_tpu(root: Path = Path("/")) -> bool:
    """Whether this machine has a TPU, by its devices and by what is on its PCI bus."""
    devices = [*root.glob("dev/accel*"), *root.glob("dev/vfio/[0-9]*")]
    return bool(devices) or any(
        vendor.read_text(encoding="ascii", errors="replace").strip() == GOOGLE
        for vendor in root.glob("sys/bus/pci/devices/*/vendor")
    )


def answer_libtpu(environment: MutableMapping[str, str] = os.environ, root: Path = Path("/")) -> None:
    """Answer for a TPU that is not there, before JAX looks for devices. Who names JAX's platforms is left alone."""
    if "JAX_PLATFORMS" not in environment and not has_tpu(root):
        for name, answer in ANSWERS.items():
            environment.setdefault(name, answer)
