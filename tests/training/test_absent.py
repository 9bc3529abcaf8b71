"""What a machine without a TPU promises: nobody hears of it, and one with a TPU is left as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.preflight.absent import ANSWERS, answer_libtpu, has_tpu


@pytest.mark.parametrize("path", ["dev/accel0", "dev/vfio/0"])
def test_a_device_of_a_tpu_is_one(path: str, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / "dev/vfio").mkdir(exist_ok=True)
    (tmp_path / "dev/vfio/vfio").touch()  # there without any device too
    assert not has_tpu(tmp_path)
    (tmp_path / path).touch()
    assert has_tpu(tmp_path)


def test_a_tpu_on_the_bus_is_one(tmp_path: Path) -> None:
    for number, vendor in enumerate(("0x8086", "0x1ae0")):
        device = tmp_path / "sys/bus/pci/devices" / str(number)
        device.mkdir(parents=True)
        assert not has_tpu(tmp_path)
        (device / "vendor").write_text(f"{vendor}\n", encoding="ascii")
    assert has_tpu(tmp_path)


def test_where_a_tpu_is_or_platforms_are_named_nothing_is_answered(tmp_path: Path) -> None:
    named = {"JAX_PLATFORMS": "tpu"}
    answer_libtpu(named, tmp_path)
    assert named == {"JAX_PLATFORMS": "tpu"}
    asked = {"TPU_WORKER_ID": "3"}
    answer_libtpu(asked, tmp_path)
    assert asked == ANSWERS | {"TPU_WORKER_ID": "3"}
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/accel0").touch()
    left: dict[str, str] = {}
    answer_libtpu(left, tmp_path)
    assert left == {}


@pytest.mark.skipif(has_tpu(), reason="this machine has a TPU")
def test_looking_for_devices_says_nothing() -> None:
    """In a shell that knows nothing of JAX, with libtpu installed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "TPU_"))}
    look = (
        "from training.commands.chosen import quiet_libraries; quiet_libraries(); import jax; jax.devices()"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
