"""Measure how much memory is free, and recognize errors of too little memory."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def size_in_words(n_bytes: float) -> str:
    """Return a size in a unit that fits: ``800 bytes``, ``12 MB``, ``3.5 GB``."""
    size, units = float(n_bytes), ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"]
    while size >= 999.5 and len(units) > 1:
        size, _ = size / 1000, units.pop(0)
    return f"{size:.3g} {units[0]}"


def free_bytes(device: torch.device | str) -> int:
    """Return how many bytes this process can still allocate on a device.

    Parameters
    ----------
    device
        For a cuda device the memory of the card counts. For all others the memory of the machine
        counts, within the limits of a container, a batch system or ``ulimit -v``.
    """
    if str(device).startswith("cuda"):
        return _free_on_cuda(device)
    import psutil

    room = [int(psutil.virtual_memory().available), *_group_room(), *_address_room()]
    return max(0, min(room))


def _free_on_cuda(device: torch.device | str) -> int:
    """Return the free bytes of the card, and those that torch has reserved but does not use."""
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free) + int(unused)


_VERSION_1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
_VERSION_2 = "memory.max", "memory.current", ""
"""Files with the limit and the use of a control group, and the prefix of its totals, in both
versions of control groups."""


def _group_room(root: Path = Path("/")) -> Iterator[int]:
    """Yield the free bytes of each Linux control group of this process that has a limit.

    The limits of a group and of all groups above it apply. Inside a container, the path may be
    that of the host. Then only the top folder exists, which is the group of the container.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    mount = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            folder, files = mount / "memory", _VERSION_1
        elif not controllers:
            folder, files = mount, _VERSION_2
        else:
            continue
        names = PurePosixPath(path).parts[1:]
        for depth in range(len(names) + 1):
            room = _room_in(folder.joinpath(*names[:depth]), *files)
            if room is not None:
                yield room


def _room_in(group: Path, limit: str, use: str, total: str) -> int | None:
    """Return the limit of a group minus its use; None without a limit.

    Cached files count as free, because the kernel drops them when memory is short.
    """
    try:
        room = int((group / limit).read_text()) - int((group / use).read_text())
        lines = (group / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # no such group, or the limit is the word "max"
        return None
    totals = dict(line.split(maxsplit=1) for line in lines)
    return room + sum(int(totals.get(f"{total}{name}_file", 0)) for name in ("active", "inactive"))


def _address_room() -> Iterator[int]:
    """Yield how much address space is left, if it is limited (``ulimit -v``, batch systems)."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        import psutil

        yield limit - int(psutil.Process().memory_info().vms)


_TEXTS = (
    "can't allocate memory",  # torch on the CPU
    "not enough memory",  # the same on Windows
    "out of memory",  # CUDA and MPS
    "can't start new thread",  # Python: the stack of a new thread is the first to fail
    "alloc_failed",  # cuBLAS, cuDNN
    "allocation_failed",
    "bad_alloc",
    "could not create a memory object",  # oneDNN, which computes on the CPU
    "could not create a primitive",
    "could not execute a primitive",
)
"""Parts of the messages of errors that mean too little memory."""
_UNKNOWN_OPERATION = "could not create a primitive descriptor"
"""Message of oneDNN for an operation that it does not know: it has nothing to do with memory."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory of the machine or of a device was exhausted.

    After "could not create a primitive" only a new thread can use oneDNN again. In the thread that
    met it, every later attempt fails, however much memory is free.
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    is_about_memory = any(words in text for words in _TEXTS) and _UNKNOWN_OPERATION not in text
    return isinstance(error, RuntimeError) and is_about_memory
