"""Show progress bars, tables and errors in a terminal, and answer Ctrl-C and other signals."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BUGS, InputError, InUseError, TakenError, in_words

if TYPE_CHECKING:
    from rich.progress import Progress

    from .evaluation.curves import ProbabilityScores
    from .evaluation.images import ImageScores
    from .evaluation.measure import MeasureJob
    from .evaluation.metrics import ClassScores, Scores
    from .evaluation.table import Measurements
    from .inference.run import InferenceJob
    from .inference.seams import Seams, SeamStep
    from .model import Model
    from .progress import Job
    from .training.job import TrainingJob


_FLAGS = {"pieces": "--pieces-are-objects, or --numbers-are-objects"}
"""Options whose flags are not simply named like the arguments of Python."""


def with_flags(error: BaseException) -> str:
    """Return the message of an error, with the options that it is about as flags."""
    text = str(error) if isinstance(error, InputError) else in_words(error)
    options = error.options if isinstance(error, InputError) else {}
    if not options:
        return text
    flags = ", or ".join(_FLAGS.get(name) or _flag(name, value) for name, value in options.items())
    return f"{text.removesuffix('.')} ({flags})."


def _flag(name: str, value: object) -> str:
    flag = f"--{name.replace('_', '-')}"
    if value is False:
        return f"leave out {flag}"
    return flag if value is None or value is True else f"{flag} {value}"


def say_unseen_gpu() -> None:
    """Print a message if there is a GPU that torch cannot use."""
    from .device import unseen_gpu

    if message := unseen_gpu():
        print(message, file=sys.stderr)


def train_with_bar(job: TrainingJob, save: Callable[[Model], object]) -> None:
    """Run a training and save its result, even if a signal or a lost terminal ends it early.

    The first signal stops the training. A second one shortens the work after the last step. Before
    the first step there is nothing to save, so the second signal ends the process at once.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("Training"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[s]}"),
    )
    has_begun = False

    def hurry(number: int) -> None:
        if not has_begun:
            _end_at_once(number)
        job.hurry()

    with stops_on_signals(job, hurry), Progress(*columns) as bar:
        line = bar.add_task("", total=1.0, s="")
        validation = ""
        for step in job:
            has_begun = True
            if step.validation is not None:
                validation = f", validation {step.validation:.3f}"
            text = f"step {step.index}, loss {step.loss:.3f}{validation}"
            bar.update(line, completed=step.fraction or 0.0, s=text)
            _say(bar, step.note)
            if job.stop_requested:
                _say(bar, "Stopping: the best model so far is kept.")
        save(job.result)
        bar.update(line, completed=1.0)


def _say(bar: Progress, text: str) -> None:
    """Print a line above a bar, unless it is empty or the terminal is gone."""
    if text:
        with contextlib.suppress(OSError):
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


def segment_with_bar(job: InferenceJob, name: str, printed: set[str] | None = None) -> Any:
    """Run a `segment` or `denoise` job and return its result.

    Parameters
    ----------
    name
        What is shown beside the bar: the name of the image's file.
    printed
        Remarks that were already printed, which are not printed again. Those of this job are
        added.

    Raises
    ------
    RuntimeError
        If the job failed midway. The message says whether the same command goes on from there.
    """
    printed = set() if printed is None else printed
    with stops_on_signals(job), _tiles_bar() as bar:
        line = bar.add_task(name, total=None, s="")
        has_begun = False
        try:
            for step in job:
                has_begun = True
                text = "tiles of " + " x ".join(map(str, step.tile)) + " px"
                if job.object_size is not None:
                    text += f", objects of about {job.object_size:g} px"
                bar.update(line, completed=step.done, total=step.total, s=text)
        except (InUseError, *BUGS):
            raise
        except (InputError, OSError, RuntimeError, MemoryError) as error:
            if isinstance(error, TakenError) and not has_begun:
                raise  # nothing was done here
            reason = with_flags(error)
            if Path(name).stem not in reason:
                reason = f"{name}: {reason}"
            if job.can_resume:
                reason += " What was done is kept: the same command goes on from there."
            raise RuntimeError(reason) from error
        if job.is_complete:
            bar.update(line, completed=1, total=1)
        size = job.size_note and f"{name}: {job.size_note[0].lower()}{job.size_note[1:]}"
        for remark in [*job.memory_notes, job.note, size]:
            if remark not in printed:
                printed.add(remark)
                _say(bar, remark)
    return job.result


def seams_with_bar(job: Job[SeamStep, Seams]) -> Seams:
    """Run a `seam_test` job and return its result."""
    with stops_on_signals(job), _tiles_bar() as bar:
        line = bar.add_task("Seam test", total=None, s="")
        for step in job:
            bar.update(line, completed=step.done, total=step.total)
    return job.result


def measure_with_bar(job: MeasureJob, name: str) -> Measurements:
    """Run a measurement and return its table.

    Parameters
    ----------
    name
        What is shown beside the bar: the name of the labels' file.
    """
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[s]}")
    with stops_on_signals(job), Progress(*columns, transient=True) as bar:
        line = bar.add_task(name, total=None, s="")
        for step in job:
            bar.update(line, completed=step.done, total=step.total, s=f"{step.n_objects} objects")
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
        speed_estimate_period=300.0,  # seconds: a volume's tile may take longer than rich's 30
    )


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that ask a process to end: of Ctrl-C, of clusters and containers before they kill, and of
a terminal that is closed. Windows lacks some."""
_received: list[int] = []
"""Signals that asked this process to end, in their order."""


def exit_status() -> int:
    """Return the status of a process that was asked to end: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (_received[0] if _received else signal.SIGINT)


def is_ended_by_system() -> bool:
    """Return whether a signal other than that of Ctrl-C asked this process to end."""
    return bool(_received) and _received[0] != signal.SIGINT


def _end_at_once(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextlib.contextmanager
def stops_on_signals(
    job: Job[Any, Any], again: Callable[[int], None] = _end_at_once
) -> Iterator[None]:
    """Let a signal stop a job early. The job keeps the result so far.

    Parameters
    ----------
    again
        Called with the number of each signal after the first one.
    """

    def stop(number: int, _frame: object) -> None:
        _received.append(number)
        if job.stop_requested:
            again(number)
        job.stop()

    numbers = (getattr(signal, name) for name in SIGNALS if hasattr(signal, name))
    _received.clear()
    previous = {number: signal.getsignal(number) for number in numbers}
    if previous.get(SIGHUP := getattr(signal, "SIGHUP", None)) is signal.SIG_IGN:
        del previous[SIGHUP]  # under nohup, which lets a process outlive its terminal
    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)


def print_scores(
    scores: Mapping[str, Scores | ClassScores | ImageScores | ProbabilityScores],
) -> None:
    """Print all numbers of the last entry, under a table of all entries if there are several."""
    from rich.console import Console
    from rich.table import Table

    rows = {name: score.as_dict() for name, score in scores.items()}
    *_, (last, numbers) = rows.items()
    columns = _in_short(numbers)
    titles = {key: f"{key} (dB)" if "PSNR" in key else key for key in numbers}
    # Print into a pipe as wide as the table needs, so that nothing is cut.
    width = None if sys.stdout.isatty() else 40 + 16 * len(columns) + max(map(len, rows))
    console = Console(width=width)
    if len(rows) > 1:
        table = Table("image", *(titles[key] for key in columns))
        for name, row in rows.items():
            table.add_row(name, *(_number(row.get(key)) for key in columns))
        console.print(table)
        if len(columns) < len(numbers):
            console.print("All scores of each image: --json FILE.", highlight=False)
    all_numbers = Table("", last)
    for key, value in numbers.items():
        all_numbers.add_row(titles[key], _number(value))
    console.print(all_numbers)
    for key, legend in LEGENDS.items():
        if key in numbers:
            console.print(legend, highlight=False, soft_wrap=True)


def _in_short(scores: Mapping[str, float]) -> list[str]:
    """Return which scores the table with a row per image shows.

    Of classes, these are means, and IoU and F1 of those above the lowest, which is the background
    in most images.
    """
    if columns := [key for key in IN_SHORT if key in scores]:
        return columns
    of_classes = [key for key in scores if key.startswith(("IoU_", "F1_"))]
    return [*list(scores)[:3], *of_classes[2:6]] if of_classes else list(scores)[:6]


IN_SHORT = (
    "roc_auc", "average_precision", "f1", "precision", "recall", "F1", "AP50", "AP75", "AP90"
)  # fmt: skip
"""Columns of the table with a row per image."""
LEGENDS = {
    "SI_PSNR": "Means over n_frames; spread is their standard deviation. SI_PSNR is PSNR after the "
    "gain and offset that fit best.",
    "VI_split": "precision, recall and F1 are those at IoU .5. adapted_rand_error and the rows "
    "below it compare the pixels of true objects; VI is in bits.",
    "mean_Dice": "F1 of a class is its Dice coefficient.",
    "best_threshold": "f1 (the Dice coefficient), precision and recall without a number behind are "
    "those at best_threshold, which was fitted on this very truth.",
}
"""What is said below the table of all numbers, if it has the row of this name."""


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"
