"""Connect to the dask cluster that the work is shared with."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Cluster:
    """Describe where the work goes.

    Parameters
    ----------
    workers
        Number of processes to start on this machine; or
    scheduler
        address of a dask scheduler, such as ``tcp://host:8786``.

    Raises
    ------
    InputError
        If dask.distributed is not installed.
    """

    workers: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise InputError(
                "More workers need dask.distributed: pip install 'napari-scribe[cluster]'."
            ) from error

    def check(self) -> None:
        """Check that the scheduler answers, before any work.

        Raises
        ------
        InputError
            If it does not.
        """
        if self.scheduler is not None:
            with self.client():
                pass

    @contextmanager
    def client(self) -> Generator[Client, None, None]:
        """Connect to the scheduler, or start workers that end with the connection.

        Raises
        ------
        InputError
            If the scheduler does not answer.
        """
        from distributed import Client, LocalCluster

        if self.scheduler is not None:
            try:
                client = Client(self.scheduler, timeout="15s")  # a busy scheduler answers late
            except (OSError, ValueError) as error:
                raise InputError(
                    f"No dask scheduler answers at {self.scheduler}: check the address."
                ) from error
            with client:
                yield client
            return
        options = {
            "threads_per_worker": 1,
            "memory_limit": 0,  # dask would stop workers for memory that torch caches
            "dashboard_address": "127.0.0.1:0",  # the usual port may be another cluster's
        }
        with LocalCluster(n_workers=self.workers, **options) as local, Client(local) as client:
            yield client

    @property
    def threads(self) -> int | None:
        """Return the number of torch threads per worker; None where the worker decides."""
        if self.workers is None:
            return None
        return max(1, (os.cpu_count() or 1) // self.workers)
