"""The modules of the benchmarks, which are no package."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def load() -> Callable[[str], ModuleType]:
    """Load a benchmark by its name; skip where they are not beside the tests."""

    def load_benchmark(name: str) -> ModuleType:
        path = FOLDER / f"{name}.py"
        if not path.exists():
            pytest.skip("benchmarks are not beside the tests")
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load_benchmark
