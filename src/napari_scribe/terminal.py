"""What commands show in a terminal: progress bars, tables, and what Ctrl-C and other signals do."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BUGS, InputError, InUseError, TakenError, in_words

if TYPE_CHECKING:
    from rich.progress import Progress

    from .evaluation.metrics import ClassScores, Scores
    from .progress import Job
    from .training.trainer import TrainingJob


def say_unseen_gpu() -> None:
    """Say so where there is a GPU that torch cannot use."""
    from .device import unseen_gpu

    if word := unseen_gpu():
        print(word, file=sys.stderr)


def train_with_bar(job: TrainingJob, keep: Callable[[Any], Any]) -> None:
    """Drive a training and keep its result, also where signals, or a lost terminal, end it early.

    The first signal stops the training. A second one cuts short what comes after its last step;
    before the first step there is nothing to keep, and it ends at once.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("Training"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[s]}"),
    )
    is_learning = False

    def again(number: int) -> None:
        if not is_learning:
            _end_at_once(number)
        job.hurry()

    with stops_on_signals(job, again), Progress(*columns) as bar:
        shown = bar.add_task("", total=1.0, s="")
        validation = ""
        for step in job:
            is_learning = True
            if step.validation is not None:
                validation = f", validation {step.validation:.3f}"
            text = f"step {step.index}, loss {step.loss:.3f}{validation}"
            bar.update(shown, completed=step.fraction or 0.0, s=text)
            _say(bar, step.note)
            if job.stop_requested:
                _say(bar, "Stopping: the best model so far is kept.")
        keep(job.result)
        bar.update(shown, completed=1.0)


def _say(bar: Progress, text: str) -> None:
    """Print a line above a bar, if anybody is there to read it."""
    if text:
        with contextlib.suppress(OSError):
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


def segment_with_bar(job: Any, name: str, said: set[str] | None = None) -> Any:
    """Drive a `segment` job; its result.

    Parameters
    ----------
    said
        Words of the jobs before it, which are not said again; its own are added.
    """
    said = set() if said is None else said
    with stops_on_signals(job), _tiles_bar() as bar:
        shown = bar.add_task(name, total=None, s="")
        has_begun = False
        try:
            for step in job:
                has_begun = True
                text = "tiles of " + " x ".join(map(str, step.tile)) + " px"
                bar.update(shown, completed=step.done, total=step.total, s=text)
        except (InUseError, *BUGS):
            raise
        except (InputError, OSError, RuntimeError, MemoryError) as error:
            if isinstance(error, TakenError) and not has_begun:
                raise  # nothing was done here
            kept = " What was done is kept: the same command goes on from there."
            reason = in_words(error)
            where = "" if Path(name).stem in reason else f"{name}: "
            raise RuntimeError(f"{where}{reason}{kept if job.can_resume else ''}") from error
        if job.is_complete:
            bar.update(shown, completed=1, total=1)
        for word in [*job.memory_notes, job.note]:
            if word not in said:
                said.add(word)
                _say(bar, word)
    return job.result


def seams_with_bar(job: Any) -> Any:
    """Drive a `seam_test` job; its result."""
    with stops_on_signals(job), _tiles_bar() as bar:
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


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, what clusters and containers send before they kill, and a terminal that is closed; as far
as this system has them."""
_received: list[int] = []
"""Signals that asked this process to end, in their order."""


def exit_status() -> int:
    """Return the status of a process that was asked to end: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (_received[0] if _received else signal.SIGINT)


def _end_at_once(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextlib.contextmanager
def stops_on_signals(
    job: Job[Any, Any], again: Callable[[int], None] = _end_at_once
) -> Iterator[None]:
    """Let a signal stop a job early, which keeps what it has; `again` answers those that follow."""

    def stop(number: int, _frame: object) -> None:
        _received.append(number)
        if job.stop_requested:
            again(number)
        job.stop()

    found = (getattr(signal, name) for name in SIGNALS if hasattr(signal, name))
    _received.clear()
    before = {number: signal.getsignal(number) for number in found}
    if before.get(SIGHUP := getattr(signal, "SIGHUP", None)) is signal.SIG_IGN:
        del before[SIGHUP]  # under nohup
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


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
