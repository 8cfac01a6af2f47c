"""Choose the device to compute on, and the precision."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError
from .user_folder import read_table, update_table

if TYPE_CHECKING:
    import torch

# Linux allocates large tensors in small pages, which costs a third of the speed of large tiles.
# torch asks for huge pages if this is set before its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

MEASURED = "precision.json"
"""File of the user's folder with the faster precision of each processor."""


def pick_device(name: str | None = None) -> torch.device:
    """Return the device to use: the one named, else cuda, else mps, else cpu.

    Raises
    ------
    InputError
        If the named device cannot be used.
    """
    import torch

    if name in (None, "", "auto"):
        return torch.device(devices()[0])
    try:
        device = torch.device(str(name))
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError, ValueError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise InputError(
            f"The device '{name}' cannot be used ({reason}). There is {' and '.join(devices())}. "
            "Leave it out to let one be chosen.",
            device=None,
        ) from None
    return device


def devices() -> list[str]:
    """Return the names of the devices that can be used, the fastest first."""
    import torch

    n = torch.cuda.device_count() if torch.cuda.is_available() and not _cuda_problem() else 0
    cards = [f"cuda:{i}" for i in range(n)] if n > 1 else []
    names = ["cuda", *cards] if n else []
    return [*names, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def all_like(device: torch.device) -> list[torch.device]:
    """Return every cuda device if cuda was asked for without a number, else the device itself."""
    import torch

    if str(device) != "cuda":
        return [device]
    return [torch.device("cuda", i) for i in range(torch.cuda.device_count())]


def _cuda_problem() -> str:
    """Return why the cuda device that torch lists cannot compute; empty if it can.

    A torch that is older or newer than a card has no code for it, but still lists it.
    """
    import torch

    try:
        torch.ones(1, device="cuda").add(1).item()
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return ""


def unseen_gpu() -> str:
    """Return a message for a user whose GPU this torch cannot use; else an empty text."""
    import torch

    if torch.backends.mps.is_available():
        return ""
    if torch.cuda.is_available():
        problem = _cuda_problem()
        return problem and (
            f"There is a GPU, but torch {torch.__version__} cannot use it ({problem}): the CPU is "
            "used instead. Another version of torch may help (see https://pytorch.org/get-started)."
        )
    if shutil.which("nvidia-smi") is None and not Path("/proc/driver/nvidia/version").exists():
        return ""
    if torch.version.cuda is None:
        return (
            "There is an NVIDIA GPU, but this torch was built for the CPU alone: training would "
            "be many times faster with a CUDA build (see https://pytorch.org/get-started)."
        )
    return (
        f"There is an NVIDIA GPU, but torch {torch.__version__} (CUDA {torch.version.cuda}) "
        "cannot use it: its driver may be too old."
    )


def precision(device: torch.device) -> torch.dtype:
    """Return the faster of float32 and bfloat16 on this machine; float16 on older cuda cards.

    On the CPU, bfloat16 is several times faster on some processors and slower on others. So it is
    measured once, in half a second, and the answer is saved.
    """
    import torch

    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    if device.type != "cpu":
        return torch.float32
    key = machine_key(device)
    faster = read_table(MEASURED).get(key)
    if faster is None:
        faster = "bfloat16" if _bfloat16_is_faster() else "float32"
        update_table(MEASURED, key, faster)
    return torch.bfloat16 if faster == "bfloat16" else torch.float32


def machine_key(device: torch.device) -> str:
    """Return the names of the processor or card and of torch, for which measured speeds hold."""
    import torch

    name = _processor() if device.type != "cuda" else torch.cuda.get_device_name(device)
    return f"{platform.machine()} {name} torch {torch.__version__}"


@contextmanager
def repeatable() -> Iterator[None]:
    """Make cuda convolutions give the same numbers each time, at some cost in speed."""
    import torch

    previous = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = previous


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _bfloat16_is_faster() -> bool:
    """Time a small convolution in both precisions alternately, and compare the best times."""
    import torch

    x = torch.zeros(2, 16, 128, 128).contiguous(memory_format=torch.channels_last)
    conv = torch.nn.Conv2d(16, 16, 3, padding=1)
    best = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    with torch.inference_mode():
        for _ in range(5):
            for dtype in best:
                with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
                    start = time.perf_counter()
                    for _ in range(3):
                        conv(x)
                    best[dtype] = min(best[dtype], time.perf_counter() - start)
    return best[torch.bfloat16] < best[torch.float32]
