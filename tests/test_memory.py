"""Free memory, and errors that say that there is none: met for real, in processes with a limit."""

from __future__ import annotations

import errno
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from napari_scribe.memory import _group_room, free_bytes, is_out_of_memory

limited = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs a limit on what a process can map"
)
MB = 2**20
PRELUDE = """
import resource, sys
import numpy as np
import psutil
from napari_scribe.memory import free_bytes, is_out_of_memory
MB = 2**20
def limit(room):
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + int(room * MB), resource.RLIM_INFINITY))
def error(function):
    try:
        function()
    except BaseException as caught:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        return caught
    raise SystemExit("there was enough memory")
"""


def in_a_process(code: str) -> list[str]:
    command = [sys.executable, "-c", PRELUDE + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_without_limits_it_is_what_the_machine_has():
    for device in ("cpu", torch.device("cpu"), "mps"):
        assert 0 < free_bytes(device) <= psutil.virtual_memory().total


@limited
def test_a_limit_of_the_process_counts():
    code = """
limit(200)
print(free_bytes("cpu") / MB)
kept = np.ones(100 * MB, np.uint8)
print(free_bytes("cpu") / MB)
print(isinstance(error(lambda: np.ones(free_bytes("cpu") + 10 * MB, np.uint8)), MemoryError))
"""
    before, after, is_all = in_a_process(code)
    assert 190 < float(before) <= 200
    assert 90 < float(after) <= 100
    assert is_all == "True"


GROUPS_1 = {
    "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/batch/job\n0::/\n",
    "sys/fs/cgroup/memory/batch/job/memory.limit_in_bytes": "5000",
    "sys/fs/cgroup/memory/batch/job/memory.usage_in_bytes": "3000",
    "sys/fs/cgroup/memory/batch/job/memory.stat": "active_file 1\ntotal_active_file 40\n"
    "inactive_file 1\ntotal_inactive_file 2\n",
    "sys/fs/cgroup/memory/batch/memory.limit_in_bytes": "4000",
    "sys/fs/cgroup/memory/batch/memory.usage_in_bytes": "3500",
    "sys/fs/cgroup/memory/batch/memory.stat": "",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "12",
    "sys/fs/cgroup/memory/memory.stat": "",
}
GROUPS_2 = {
    "proc/self/cgroup": "0::/user.slice/job\n",
    "sys/fs/cgroup/user.slice/job/memory.max": "max\n",
    "sys/fs/cgroup/user.slice/job/memory.current": "3000\n",
    "sys/fs/cgroup/user.slice/job/memory.stat": "anon 5\n",
    "sys/fs/cgroup/user.slice/memory.max": "4000\n",
    "sys/fs/cgroup/user.slice/memory.current": "3900\n",
    "sys/fs/cgroup/user.slice/memory.stat": "anon 5\ninactive_file 7\nactive_file 3\n",
}
CONTAINER = {  # the path is the one outside, the mount is the container's own
    "proc/self/cgroup": "3:memory:/docker/abc\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "5000",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "4000",
    "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 1\n",
}


@pytest.mark.parametrize(
    ("files", "room"),
    [
        (GROUPS_1, [9223372036854771700, 500, 2042]),
        (GROUPS_2, [110]),
        (CONTAINER, [1001]),
        ({}, []),
    ],
    ids=["version 1", "version 2", "container", "none"],
)
def test_limits_of_control_groups_count(tmp_path: Path, files: dict[str, str], room: list[int]):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert list(_group_room(tmp_path)) == room


@pytest.mark.cuda
def test_cuda_counts_what_torch_keeps():
    free = free_bytes("cuda")
    block = torch.empty(256 * MB, dtype=torch.uint8, device="cuda")
    less = free_bytes("cuda")
    assert free - less >= 256 * MB
    del block
    assert free_bytes("cuda") - less >= 256 * MB
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(free * 2, dtype=torch.uint8, device="cuda")
    assert is_out_of_memory(caught.value)


@limited
def test_what_libraries_raise_is_known():
    code = """
import tempfile, torch
torch.set_num_threads(1)  # OpenMP ends the process where it cannot start a thread
file = tempfile.NamedTemporaryFile()
file.truncate(2**30)
for work in (
    lambda: np.ones((2**14, 2**14)),
    lambda: bytes(2**30),
    lambda: np.memmap(file.name, np.uint8, "r"),
    lambda: torch.ones(2**14, 2**14),
    lambda: torch.nn.Conv2d(1, 16, 3)(torch.zeros(1, 1, 2000, 2000)),
):
    limit(20)
    caught = error(work)
    print(is_out_of_memory(caught), repr(caught)[:200].splitlines()[0])
"""
    said = in_a_process(code)
    assert len(said) == 5
    assert all(line.startswith("True") for line in said), said


@limited
@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs oneDNN for this processor")
def test_what_onednn_raises_is_known_and_a_new_thread_goes_on():
    """Each new shape of a convolution makes machine code, and there is no room for that."""
    code = """
import threading, torch
torch.set_num_threads(1)
torch.set_grad_enabled(False)
network, x = torch.nn.Conv2d(64, 64, 3), torch.zeros(1, 64, 24, 24)
network(x[..., :16, :16].contiguous())
limit(0)
caught = error(lambda: network(x))
print(is_out_of_memory(caught), caught)
print(error(lambda: network(x)))
again = threading.Thread(target=lambda: print(network(x).shape[1]))
again.start()
again.join()
"""
    first, second, third = in_a_process(code)
    assert first == "True could not create a primitive"
    assert second == "could not create a primitive"
    assert third == "64"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:116] data. DefaultCPUAllocator: not enough "
                     "memory: you tried to allocate 8589934592 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 7.9 GB)"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)  # fmt: skip
def test_what_others_raise_is_known(error: BaseException):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        RuntimeError("could not create a primitive descriptor for the matmul primitive."),
        ValueError("out of memory"),
        OSError(errno.ENOSPC, "No space left on device"),
        KeyboardInterrupt(),
    ],
)
def test_other_errors_are_not(error: BaseException):
    assert not is_out_of_memory(error)


def test_it_needs_no_torch():
    code = (
        "import napari_scribe.memory as m, sys; m.free_bytes('cpu'); m.is_out_of_memory(KeyError())"
    )
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numpy_s_error_is_known():
    with pytest.raises(MemoryError) as caught:
        np.empty(2**62, np.uint8)
    assert is_out_of_memory(caught.value)
