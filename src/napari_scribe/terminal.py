"""What commands show in a terminal: progress bars, tables, and what Ctrl-C does."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress

    from .evaluation.metrics import ClassScores, Scores
    from .progress import Job


def say_unseen_gpu() -> None:
    """Say so where there is a GPU that torch cannot use."""
    from .device import unseen_gpu

    if word := unseen_gpu():
        print(word, file=sys.stderr)


def train_with_bar(job: Any) -> Any:
    """Drive a `train` job; its result."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("Training"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[s]}"),
    )
    with stops_on_interrupt(job), Progress(*columns) as bar:
        shown = bar.add_task("", total=1.0, s="")
        validation = ""
        for step in job:
            if step.validation is not None:
                validation = f", validation {step.validation:.3f}"
            text = f"step {step.index}, loss {step.loss:.3f}{validation}"
            bar.update(shown, completed=step.fraction or 0.0, s=text)
            if step.note:
                bar.console.print(step.note, markup=False, highlight=False, soft_wrap=True)
        bar.update(shown, completed=1.0)
    return job.result


def segment_with_bar(job: Any, name: str, said: set[str] | None = None) -> Any:
    """Drive a `segment` job; its result.

    Parameters
    ----------
    said
        Words of the jobs before it, which are not said again; its own are added.
    """
    said = set() if said is None else said
    with stops_on_interrupt(job), _tiles_bar() as bar:
        shown = bar.add_task(name, total=None, s="")
        try:
            for step in job:
                text = "tiles of " + " x ".join(map(str, step.tile)) + " px"
                bar.update(shown, completed=step.done, total=step.total, s=text)
        except (InputError, OSError, RuntimeError, MemoryError) as error:
            kept = " What was done is kept: the same command goes on from there."
            raise RuntimeError(f"{error}{kept if job.goes_on else ''}") from error
        if job.is_complete:
            bar.update(shown, completed=1, total=1)
        for word in filter(None, [*job.ladder, job.note]):
            if word in said:
                continue
            said.add(word)
            bar.console.print(word, markup=False, highlight=False, soft_wrap=True)
    return job.result


def seams_with_bar(job: Any) -> Any:
    """Drive a `seam_test` job; its result."""
    with stops_on_interrupt(job), _tiles_bar() as bar:
        shown = bar.add_task("Seam test", total=None, s="")
        for step in job:
            bar.update(shown, completed=step.done, total=step.total)
    return job.result


def _tiles_bar() -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[s]}"),
    )


@contextlib.contextmanager
def stops_on_interrupt(job: Job[Any, Any]) -> Iterator[None]:
    """Ctrl-C stops a job early and keeps what it has; a second one ends at once."""

    def stop(*_: object) -> None:
        if job.stop_requested:
            raise KeyboardInterrupt
        job.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def print_scores(scores: dict[str, Scores] | dict[str, ClassScores]) -> None:
    """All numbers of the last one, under a table with a row for each where there are many."""
    from rich.console import Console
    from rich.table import Table

    rows = {name: score.as_dict() for name, score in scores.items()}
    *_, (last, numbers) = rows.items()
    columns = [key for key in IN_SHORT if key in numbers] or list(numbers)[:6]
    titles = {key: f"{key} (dB)" if "PSNR" in key else key for key in numbers}
    # Piped, a table is as wide as it needs to be, so that nothing is cut.
    width = None if sys.stdout.isatty() else 40 + 16 * len(columns) + max(map(len, rows))
    console = Console(width=width)
    if len(rows) > 1:
        table = Table("image", *(titles[key] for key in columns))
        for name, row in rows.items():
            table.add_row(name, *(_number(row.get(key)) for key in columns))
        console.print(table)
    whole = Table("", last)
    for key, value in numbers.items():
        whole.add_row(titles[key], _number(value))
    console.print(whole)
    if "SI_PSNR" in numbers:
        console.print(OF_IMAGES, highlight=False, soft_wrap=True)


IN_SHORT = ("precision", "recall", "F1", "AP50", "AP75", "AP90")
"""What a row of the table has room for."""
OF_IMAGES = (
    "Means over n_frames; spread is their standard deviation. SI_PSNR is PSNR after the gain and "
    "offset that fit best."
)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"
