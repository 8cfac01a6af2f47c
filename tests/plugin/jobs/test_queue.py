"""Jobs take turns: who waits for whom, in which order, and how one leaves the line."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_scribe.errors import InputError
from napari_scribe.plugin.dock import NOTHING_DONE
from napari_scribe.plugin.jobs.progress import JobClock, Progressed
from napari_scribe.plugin.jobs.request import Ended, Question, Request
from napari_scribe.plugin.jobs.runner import Runner
from napari_scribe.plugin.measure.dock import MeasureDock
from napari_scribe.plugin.segment.dock import SegmentDock
from napari_scribe.progress import Job


@dataclass(frozen=True)
class Wait(Request[int, str]):
    """A job that lasts until it is stopped, or let go."""

    name: str
    on: tuple[Layer, ...] = ()
    go: list[bool] = field(default_factory=list)
    error: Exception | None = None

    @property
    def title(self) -> str:
        return f"Training on {self.name}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.on

    def begin(self) -> Job[int, str]:
        def wait(job: Any) -> Generator[int, None, str]:
            while not (self.go or job.stop_requested):
                time.sleep(0.005)
                yield 0
            if self.error is not None:
                raise self.error
            return self.name

        return Job(wait)

    def progress(self, record: Any, clock: JobClock) -> Progressed:
        return Progressed(0.0, "works")


@dataclass(frozen=True)
class WaitBeside(Wait):
    """One that needs no network."""

    needs_torch: ClassVar[bool] = False


@dataclass(frozen=True)
class Never(Wait):
    """One that cannot wait."""

    can_wait: ClassVar[bool] = False


class Log:
    """What began, and how it ended, in order."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[tuple[str, Ended[Any]]] = []

    def start(self, runner: Runner, request: Wait) -> Wait:
        runner.start(
            request,
            lambda _record: None,
            lambda ended: self.ended.append((request.name, ended)),
            lambda: self.began.append(request.name),
        )
        return request

    @property
    def values(self) -> list[Any]:
        return [ended.value for _, ended in self.ended]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def runners(qapp: Any) -> Any:
    viewer: Any = ViewerModel()
    made = [Runner(viewer) for _ in range(4)]
    yield made
    for runner in reversed(made):
        runner.close()


def words(runner: Runner) -> list[str]:
    return [runner.queue.in_words(turn) for turn in runner.waiting]


def test_jobs_begin_in_the_order_in_which_they_were_asked_for(
    runners: list[Runner], log: Log, qtbot: Any
) -> None:
    """However the one before has ended: by itself, stopped, failed or with a question."""
    ends: list[Exception | None] = [
        None,
        None,
        RuntimeError("boom"),
        Question("Really?", "Yes", "No"),
    ]
    pairs = zip("abcd", ends, strict=True)
    jobs = [log.start(r, Wait(n, error=e)) for r, (n, e) in zip(runners, pairs, strict=True)]
    assert log.began == ["a"]
    assert [runner.is_running for runner in runners] == [True, False, False, False]
    assert all(runner.is_busy for runner in runners)
    assert words(runners[1]) == ["Waiting for training on a to end (next in line)."]
    assert words(runners[3]) == ["Waiting for training on a to end (3rd in line)."]
    jobs[0].go.append(True)
    qtbot.waitUntil(lambda: log.began == ["a", "b"])
    assert words(runners[3]) == ["Waiting for training on b to end (2nd in line)."]
    runners[1].stop()
    qtbot.waitUntil(lambda: log.began == ["a", "b", "c"])
    jobs[2].go.append(True)
    qtbot.waitUntil(lambda: log.began == ["a", "b", "c", "d"])
    jobs[3].go.append(True)
    qtbot.waitUntil(lambda: len(log.ended) == 4)
    assert log.values == ["a", "b", None, None]
    assert not any(runner.is_busy for runner in runners)


def test_stop_takes_out_of_the_line(runners: list[Runner], log: Log, qtbot: Any) -> None:
    for runner, name in zip(runners, "abc", strict=False):
        log.start(runner, Wait(name))
    runners[1].stop()
    assert log.ended == [("b", Ended())]
    assert words(runners[2]) == ["Waiting for training on a to end (next in line)."]
    runners[0].stop()
    qtbot.waitUntil(lambda: log.began == ["a", "c"])


def test_what_needs_no_network_goes_on_beside_one(
    runners: list[Runner], log: Log, qtbot: Any
) -> None:
    log.start(runners[0], Wait("a"))
    measured = log.start(runners[1], WaitBeside("table"))
    log.start(runners[2], WaitBeside("other table"))
    assert log.began == ["a", "table", "other table"]
    log.start(runners[1], WaitBeside("again"))  # but one at a time for a dock
    assert words(runners[1]) == ["Waiting for training on table to end (next in line)."]
    measured.go.append(True)
    qtbot.waitUntil(lambda: log.began[3:] == ["again"])


def test_what_cannot_wait_is_refused_and_holds_up_nobody(runners: list[Runner], log: Log) -> None:
    log.start(runners[0], Never("a"))
    with pytest.raises(InputError, match="Training on a is still running"):
        log.start(runners[1], Never("b"))
    assert log.began == ["a"]
    assert not runners[1].is_busy


def test_a_job_that_goes_on_from_another_keeps_its_place(
    runners: list[Runner], log: Log, qtbot: Any
) -> None:
    """As the next of several images: else a training could come between them."""
    first = Wait("first")
    runners[0].start(
        first, lambda _record: None, lambda _ended: log.start(runners[0], Wait("second"))
    )
    log.start(runners[1], Wait("other"))
    first.go.append(True)
    qtbot.waitUntil(lambda: bool(log.began))
    assert log.began == ["second"]
    runners[0].stop()
    qtbot.waitUntil(lambda: log.began == ["second", "other"])


def test_closing_empties_the_line(runners: list[Runner], log: Log, qtbot: Any) -> None:
    """And where all close one after the other, nothing begins between two."""
    for runner, name in zip(runners, "abcd", strict=True):
        log.start(runner, Wait(name))
    for runner in runners[:3]:
        runner.close()
    assert log.began == ["a"]
    qtbot.waitUntil(lambda: log.began == ["a", "d"])  # the dock that is still open
    assert log.ended == []


def test_what_cannot_begin_ends_and_lets_the_next_one_begin(
    runners: list[Runner], log: Log, qtbot: Any
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("in a view")

    ended: list[Ended[Any]] = []
    log.start(runners[0], Wait("a"))
    runners[1].start(Wait("b"), lambda _record: None, ended.append, fail)
    log.start(runners[2], Wait("c"))
    runners[0].stop()
    qtbot.waitUntil(lambda: log.began == ["a", "c"])
    assert "ZeroDivisionError" in ended[0].error


def test_viewers_do_not_wait_for_each_other(runners: list[Runner], log: Log) -> None:
    viewer: Any = ViewerModel()
    other = Runner(viewer)
    log.start(runners[0], Wait("a"))
    log.start(other, Wait("b"))
    assert log.began == ["a", "b"]
    other.close()


# In the docks


@pytest.fixture
def busy(painted: Any, qtbot: Any) -> Any:
    """Another dock of the viewer trains until it is let go."""
    runner, job = Runner(painted), Wait("cells")
    runner.start(job, lambda _record: None, lambda _ended: None)
    yield job
    runner.close()


def test_a_dock_waits_and_begins_by_itself(
    busy: Wait, dock: SegmentDock, docks: Any, painted: Any, sample: Any, qtbot: Any
) -> None:
    click(dock.segment_button)
    assert dock.message.text == "Waiting for training on cells to end (next in line)."
    assert dock.progress.format() == "Waiting"
    assert dock.progress.toolTip() == dock.message.text
    assert dock.stop_button.isEnabled() and not dock.pause_button.isEnabled()
    assert not dock.segment_button.isEnabled()  # of the same image
    painted.layers.selection.active = painted.add_image(np.ones((64, 64)), name="later")
    assert dock.form.image.layer.value.name == "nuclei"
    measure = docks(MeasureDock)
    measure.form.image.layer.value = painted.add_labels(sample.truth.astype(np.uint16))
    click(measure.measure_button)
    qtbot.waitUntil(lambda: bool(measure.shown))  # beside the training
    busy.go.append(True)
    qtbot.waitUntil(lambda: "nuclei labels" in painted.layers)
    qtbot.waitUntil(lambda: not dock.runner.is_busy)
    assert "objects in" in dock.message.text


def test_a_dock_leaves_the_line(
    busy: Wait, dock: SegmentDock, painted: Any, docks: Any, qtbot: Any
) -> None:
    """By Stop, because its layer is gone, or because it is closed."""
    click(dock.segment_button)
    click(dock.stop_button)
    assert dock.message.text == NOTHING_DONE
    assert dock.progress.format() == "" and dock.segment_button.isEnabled()
    click(dock.segment_button)
    closed = docks(SegmentDock)
    click(closed.segment_button)
    assert "(2nd in line)" in closed.message.text
    closed.close_down()
    assert not closed.runner.is_busy
    painted.layers.remove("nuclei")
    busy.go.append(True)
    qtbot.waitUntil(lambda: not dock.runner.is_busy)
    assert dock.message.text == "nuclei was removed before it was its turn: nothing was done."
    assert dock.progress.format() == ""
    assert "nuclei labels" not in painted.layers


def test_another_image_of_the_same_dock_waits(
    dock: SegmentDock, painted: Any, sample: Any, qtbot: Any
) -> None:
    other = painted.add_image(np.ascontiguousarray(sample.image[::-1]), name="other")
    dock.form.image.layer.value = painted.layers["nuclei"]
    running = Wait("nuclei", on=(painted.layers["nuclei"],))
    dock.start(running, lambda ended: dock.message.say(str(ended.value), warns=False))
    dock.show_state()
    assert not dock.segment_button.isEnabled()
    dock.form.image.layer.value = other
    click(dock.segment_button)
    assert "Waiting for training on nuclei to end" in dock.message.text
    assert dock.runner.is_running and dock.progress.format() != "Waiting"
    assert not dock.segment_button.isEnabled()
    click(dock.stop_button)  # what runs; the other one begins
    qtbot.waitUntil(lambda: "other labels" in painted.layers)
    qtbot.waitUntil(lambda: not dock.runner.is_busy)
    assert "nuclei labels" not in painted.layers


def click(button: Any) -> None:
    assert button.isEnabled()
    button.click()
