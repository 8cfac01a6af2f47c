"""What a run needs of the place where its results grow; and memory as such a place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Kept = dict[str, npt.NDArray[Any]]


class Sink(Protocol):
    """Where a run puts arrays and records."""

    def array(self, name: str, shape: Sequence[int], dtype: Any, chunks: Sequence[int]) -> Any:
        """An array full of 0, or what an earlier run has written to it."""
        ...

    def is_done(self, name: str, key: str) -> bool:
        """Whether a part was recorded."""
        ...

    def record(self, name: str, key: str) -> None:
        """Record a part that has been written."""
        ...

    def save(self, name: str, **arrays: npt.NDArray[Any]) -> None:
        """Keep small arrays under a name, all or nothing."""
        ...

    def load(self, name: str, *keys: str) -> Kept | None:
        """What was kept under a name, or some of it."""
        ...

    def drop(self, name: str) -> None:
        """Forget everything under a name, and all names below it."""
        ...

    def has(self, name: str) -> bool:
        """Whether something is kept under a name."""
        ...

    def unrecord(self, name: str, lost: Collection[str] | None = None) -> None:
        """Take back the records of some parts; of all when None."""
        ...

    def check(self) -> None:
        """Make sure that what is written now goes into this run's own work."""
        ...


class Memory:
    """For what is soon done, or has no output."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def begin(self, decide: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is decided, for this run alone."""
        return decide()

    def array(self, name: str, shape: Sequence[int], dtype: Any, chunks: Sequence[int]) -> Any:
        """An array full of 0."""
        if name not in self._kept:
            self._kept[name] = np.zeros(tuple(shape), dtype)
        return self._kept[name]

    def is_done(self, name: str, key: str) -> bool:
        """Whether a part was recorded."""
        return key in self._kept.get(f"{name}.done", ())

    def record(self, name: str, key: str) -> None:
        """Record a part that has been written."""
        self._kept.setdefault(f"{name}.done", set()).add(key)

    def save(self, name: str, **arrays: npt.NDArray[Any]) -> None:
        """Keep small arrays under a name."""
        self._kept[name] = arrays

    def load(self, name: str, *keys: str) -> Kept | None:
        """What was kept under a name, or some of it."""
        kept = self._kept.get(name)
        return kept if kept is None or not keys else {key: kept[key] for key in keys}

    def drop(self, name: str) -> None:
        """Forget everything under a name."""
        for key in [k for k in self._kept if k.startswith(name)]:
            del self._kept[key]

    def has(self, name: str) -> bool:
        """Whether something is kept under a name."""
        return name in self._kept

    def unrecord(self, name: str, lost: Collection[str] | None = None) -> None:
        """Take back the records of some parts; of all when None."""
        done = self._kept.get(f"{name}.done", set())
        done -= done if lost is None else set(lost)

    def check(self) -> None:
        """Nobody else has it."""
