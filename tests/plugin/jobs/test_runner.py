"""Jobs in a thread: records, stop, errors in words, a clean end."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest
from napari.components import ViewerModel

from napari_scribe.errors import InputError
from napari_scribe.plugin.jobs.request import Ended, Request
from napari_scribe.plugin.jobs.runner import INTERVAL, Runner
from napari_scribe.plugin.messages import explain
from napari_scribe.progress import Job


@dataclass(frozen=True)
class Step:
    """A record such as jobs yield."""

    index: int
    preview: Any = None
    note: str = ""


def result(job: Job[Any, Any]) -> Any:
    return job.result


@dataclass(frozen=True)
class Asked(Request[Any, Any]):
    """A request whose job is made and finished by functions."""

    make: Callable[[], Job[Any, Any]]
    take: Callable[[Any], Any] = result
    title: str = "Counting"

    def begin(self) -> Job[Any, Any]:
        return self.make()

    def finish(self, job: Job[Any, Any]) -> Any:
        return self.take(job)


def start(
    runner: Runner,
    make: Callable[[], Job[Any, Any]],
    take: Callable[[Any], Any] = result,
    title: str = "Counting",
) -> None:
    runner.start(Asked(make, take, title), lambda record: None, lambda ended: None)


def counting(
    n: int = 10**9, pause: float = 0.001, preview_every: int = 10**9
) -> Callable[[], Job[Step, int]]:
    """A job that counts, and gives the number it reached."""

    def body(job: Job[Step, int]) -> Generator[Step, None, int]:
        for i in range(n):
            time.sleep(pause)
            yield Step(i, preview=i if i % preview_every == 1 else None)
            if job.stop_requested:
                return i
        return n

    return lambda: Job(body)


def failing(error: Exception) -> Callable[[], Job[Step, int]]:
    def body(job: Job[Step, int]) -> Generator[Step, None, int]:
        yield Step(0)
        raise error

    return lambda: Job(body)


class Listener:
    """Collects what a runner tells."""

    def __init__(self, runner: Runner) -> None:
        self.records: list[Step] = []
        self.ended: list[Ended] = []
        self.threads: set[int] = set()
        runner.record.connect(self.take)
        runner.ended.connect(self.end)

    def take(self, record: Step) -> None:
        self.records.append(record)
        self.threads.add(threading.get_ident())

    def end(self, ended: Ended) -> None:
        self.ended.append(ended)
        self.threads.add(threading.get_ident())


@pytest.fixture
def viewer(qapp: Any) -> Any:
    """The model of a viewer: a runner asks for no window."""
    return ViewerModel()


@pytest.fixture
def runner(viewer: Any) -> Any:
    made = Runner(viewer)
    yield made
    made.close()


def test_a_job_runs_to_its_end(runner: Runner, qtbot: Any) -> None:
    heard = Listener(runner)
    start(runner, counting(50))
    assert runner.is_running
    qtbot.waitUntil(lambda: bool(heard.ended))
    assert heard.ended == [Ended(value=50)]
    assert heard.threads == {threading.get_ident()}
    assert not runner.is_running


def test_previews_come_through_and_ordinary_records_now_and_then(
    runner: Runner, qtbot: Any
) -> None:
    heard, began = Listener(runner), time.monotonic()
    start(runner, counting(300, preview_every=20))
    qtbot.waitUntil(lambda: bool(heard.ended))
    most = (time.monotonic() - began) / INTERVAL + 1
    previews = [record.preview for record in heard.records if record.preview is not None]
    assert previews == list(range(1, 300, 20))
    assert len(heard.records) - len(previews) <= most


def test_stop_keeps_what_there_is(runner: Runner, qtbot: Any) -> None:
    heard = Listener(runner)
    start(runner, counting())
    qtbot.waitUntil(lambda: len(heard.records) > 2)
    runner.stop()
    qtbot.waitUntil(lambda: bool(heard.ended))
    assert heard.ended[0].value >= heard.records[-1].index > 0


def test_stop_before_the_job_is_there_ends_it_without_a_result(runner: Runner, qtbot: Any) -> None:
    heard, go = Listener(runner), threading.Event()

    def begin() -> Job[Step, int]:
        go.wait(10)
        return counting()()

    start(runner, begin)
    runner.stop()
    go.set()
    qtbot.waitUntil(lambda: bool(heard.ended))
    assert heard.ended == [Ended()]
    assert heard.records == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("The image is empty.", axes=None), "The image is empty."),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "Not enough memory."),
        (MemoryError(), "Not enough memory."),
        (RuntimeError("boom\nand more"), "RuntimeError: boom"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError"),
    ],
)
def test_errors_are_told_in_words(runner: Runner, qtbot: Any, error: Exception, said: str) -> None:
    heard = Listener(runner)
    start(runner, failing(error))
    qtbot.waitUntil(lambda: bool(heard.ended))
    assert said in heard.ended[0].error
    assert "\n" not in heard.ended[0].error
    start(runner, counting(3))  # and the next job runs
    qtbot.waitUntil(lambda: len(heard.ended) == 2)
    assert heard.ended[1].value == 3


def test_close_waits_until_the_result_is_kept(viewer: Any) -> None:
    runner, kept = Runner(viewer), []

    def keep(job: Job[Step, int]) -> None:
        time.sleep(0.2)
        kept.append(job.result)

    def body(job: Job[Step, int]) -> Generator[Step, None, int]:
        while not job.stop_requested:
            begun.set()
            yield Step(0)
        return 0

    heard = Listener(runner)
    begun = threading.Event()
    start(runner, lambda: Job(body), keep)
    assert begun.wait(60)  # what has not begun has no result
    runner.close()
    assert len(kept) == 1
    assert heard.records == []
    assert not runner.is_running


def test_nothing_is_heard_of_a_closed_job(runner: Runner, qtbot: Any) -> None:
    heard = Listener(runner)
    start(runner, counting(preview_every=2), title="First")
    qtbot.waitUntil(lambda: len(heard.records) > 1)
    runner.close()
    n = len(heard.records)
    qtbot.wait(100)
    assert (len(heard.records), heard.ended) == (n, [])


def test_closing_the_viewer_stops_the_job(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer, kept = make_napari_viewer(), []
    viewer.add_points()  # without a layer napari closes another way
    runner = Runner(viewer)
    heard = Listener(runner)
    start(runner, counting(), lambda job: kept.append(job.result))
    told = viewer.window._qt_window._window._task_status_manager.get_status
    qtbot.waitUntil(lambda: told() == ["napari-worker: Executing Counting"])
    qtbot.waitUntil(lambda: bool(heard.records))
    viewer.close()
    qtbot.waitUntil(lambda: bool(kept))


def test_no_thread_and_nothing_of_a_job_stays(viewer: Any, qtbot: Any) -> None:
    from napari.qt.threading import GeneratorWorker

    runner = Runner(viewer)
    heard = Listener(runner)
    start(runner, counting(20, pause=0.01))
    records, ended = heard.records, heard.ended
    qtbot.waitUntil(lambda: bool(records))
    job = weakref.ref(runner.job)
    qtbot.waitUntil(lambda: bool(ended))
    qtbot.waitUntil(lambda: not GeneratorWorker._worker_set)
    gone = weakref.ref(runner)
    del runner, heard
    gc.collect()
    assert job() is None
    assert gone() is None


def test_a_job_is_not_stopped_by_looking_through_all_that_is_loaded(
    runner: Runner, qtbot: Any
) -> None:
    """What is loaded is collected again after the job, even after one that failed."""
    heard, n_loaded = Listener(runner), len(gc.get_objects())
    looked_through: list[int] = []

    def body(_job: Job[Step, None]) -> Generator[Step, None, None]:
        looked_through.append(len(gc.get_objects()))
        yield Step(0)
        raise InputError("no")

    start(runner, lambda: Job(body))
    qtbot.waitUntil(lambda: bool(heard.ended))
    assert looked_through[0] < n_loaded / 100
    assert gc.get_freeze_count() == 0


def test_the_thread_counts_as_much_as_other_programs(runner: Runner, qtbot: Any) -> None:
    """A nice one gets next to nothing beside a busy program."""
    if not sys.platform.startswith("linux"):
        pytest.skip("threads have a niceness of their own on Linux alone")
    heard = Listener(runner)

    def niceness(_job: Any) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    start(runner, counting(3), niceness)
    qtbot.waitUntil(lambda: bool(heard.ended))
    assert heard.ended[0].value == os.getpriority(os.PRIO_PROCESS, 0)


def test_threads_of_torch_do_not_wait_awake() -> None:
    """The docks say so before torch is loaded, and not where somebody chose something else."""
    asked = "import os, sys, napari_scribe.plugin.jobs.torch_loader as r; "
    asked += (
        "assert 'torch' not in sys.modules; r.load_torch(); print(os.environ['OMP_WAIT_POLICY'])"
    )
    for before, after in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
        environment |= {"OMP_WAIT_POLICY": before} if before else {}
        done = subprocess.run(
            [sys.executable, "-c", asked], env=environment, capture_output=True, text=True
        )
        assert done.stdout.strip() == after, done.stderr


def test_what_nobody_foresaw_is_told(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("what")
    except ValueError as error:
        assert "terminal" in explain(error, "Counting")
    assert "Counting failed" in caplog.text and 'raise ValueError("what")' in caplog.text


def test_pause(runner: Runner, qtbot: Any) -> None:
    heard = Listener(runner)
    start(runner, counting(10**6))
    qtbot.waitUntil(lambda: len(heard.records) > 1)
    runner.pause()
    assert runner.is_paused

    def is_still() -> bool:
        n = len(heard.records)
        qtbot.wait(150)
        return len(heard.records) == n

    qtbot.waitUntil(is_still)  # once what was on its way is there
    n = len(heard.records)
    runner.resume()
    assert not runner.is_paused
    qtbot.waitUntil(lambda: len(heard.records) > n + 2)
    assert heard.records[n].index == heard.records[n - 1].index + 1  # none was left out
    runner.stop()
    qtbot.waitUntil(lambda: bool(heard.ended))


def test_pause_before_the_job_is_there(runner: Runner, qtbot: Any) -> None:
    heard, go = Listener(runner), threading.Event()

    def begin() -> Job[Step, int]:
        go.wait(10)
        return counting(20)()

    start(runner, begin)
    runner.pause()
    go.set()
    qtbot.wait(150)
    assert heard.records == []
    runner.resume()
    qtbot.waitUntil(lambda: bool(heard.ended))
    assert heard.ended[0].value == 20


def test_each_request_hears_of_its_own_job_alone(runner: Runner, qtbot: Any) -> None:
    @dataclass(frozen=True)
    class Part:
        done: int
        total: int = 50

    def body(_job: Job[Part, str]) -> Generator[Part, None, str]:
        for i in range(50):
            time.sleep(0.005)
            yield Part(i + 1)
        return "done"

    heard: list[tuple[str, str]] = []

    def begin(title: str) -> None:
        request = Asked(lambda: Job(body), title=title)
        runner.start(
            request,
            lambda record: heard.append((title, request.progress(record, runner.clock).text)),
            lambda ended: heard.append((title, ended.value)),
        )

    for title, other in (("One", "Other"), ("Other", "One")):
        heard.clear()
        begin(title)
        begin(other)
        qtbot.waitUntil(lambda other=other: (other, "done") in heard)
        assert [who for who, _ in heard] == sorted(
            (who for who, _ in heard), key=(title, other).index
        )
        assert {who for who, text in heard if text.startswith("tile 1 of 50")} == {title, other}
        assert len(heard) > 4
