"""Jobs: stepped, stopped, closed, failed."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator, Iterator

import pytest

from napari_scribe.progress import Abandoned, Job, run


def count(job: Job[int, str], n: int = 5) -> Generator[int, None, str]:
    for i in range(n):
        yield i
        if job.stop_requested:
            return f"stopped at {i}"
    return "done"


def test_steps_then_a_result():
    job = Job(count)
    assert not job.done
    assert list(job) == [0, 1, 2, 3, 4]
    assert job.done and job.result == "done"
    assert list(job) == []  # once is enough
    assert run(Job(count)) == "done"


def test_nothing_runs_before_the_first_step():
    began = []

    def body(job: Job[int, None]) -> Iterator[int]:
        began.append(job)
        yield 1

    job: Job[int, None] = Job(body)
    assert not began
    next(job)
    assert began == [job]


def test_the_caller_sets_the_pace():
    job = Job(count)
    assert next(job) == 0
    assert next(job) == 1
    assert not job.done
    with pytest.raises(RuntimeError, match="no result yet"):
        _ = job.result


def test_stop_ends_early_and_gives_the_best_so_far():
    job = Job(count)
    seen = []
    for step in job:
        seen.append(step)
        if step == 2:
            job.stop()
    assert seen == [0, 1, 2]
    assert job.result == "stopped at 2"


def test_stop_from_another_thread_and_before_the_start():
    job = Job(count)
    thread = threading.Thread(target=job.stop)
    thread.start()
    thread.join()
    assert list(job) == [0]
    assert job.result == "stopped at 0"


def test_none_is_a_result():
    def body(job: Job[int, None]) -> Generator[int, None, None]:
        yield 1

    job = Job(body)
    assert run(job) is None
    assert job.done


def test_close_abandons_and_cleans_up():
    cleaned = []

    def body(job: Job[int, str]) -> Generator[int, None, str]:
        try:
            yield 1
            yield 2
        finally:
            cleaned.append(True)
        return "never"

    job = Job(body)
    next(job)
    job.close()
    job.close()
    assert cleaned == [True]
    assert list(job) == []
    assert not job.done
    with pytest.raises(RuntimeError):
        _ = job.result


def test_close_before_the_start_runs_nothing():
    job = Job(count)
    job.close()
    assert list(job) == []
    with pytest.raises(RuntimeError):
        run(job)


def test_close_after_the_end_keeps_the_result():
    job = Job(count)
    run(job)
    job.close()
    assert job.result == "done"


def test_a_failed_job_has_no_result_however_often_it_is_asked():
    def body(job: Job[int, str]) -> Generator[int, None, str]:
        yield 1
        raise OSError("the disk is full")

    job = Job(body)
    with pytest.raises(OSError, match="disk is full"):
        list(job)
    assert list(job) == []
    assert not job.done
    with pytest.raises(RuntimeError, match="no result"):
        _ = job.result


def test_a_body_that_fails_at_once():
    def body(job: Job[int, str]) -> Generator[int, None, str]:
        raise ValueError("no")

    job = Job(body)
    with pytest.raises(ValueError, match="no"):
        next(job)
    assert list(job) == [] and not job.done


def test_a_job_that_is_dropped_ends_at_once_in_the_thread_that_drops_it():
    """Garbage may be collected in any thread, also in one that the work waits for."""
    ended = []

    def body(job: Job[int, None]) -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            ended.append(threading.get_ident())

    gc.disable()
    try:
        job = Job(body)
        next(job)
        del job
        assert ended == [threading.get_ident()]
    finally:
        gc.enable()


def test_work_can_tell_whether_it_was_closed_or_dropped():
    ends = []

    def body(job: Job[int, None]) -> Generator[int, None, None]:
        try:
            yield 1
        except GeneratorExit as end:
            ends.append(type(end))
            raise

    job = Job(body)
    next(job)
    job.close()
    dropped = Job(body)
    next(dropped)
    del dropped
    assert ends == [Abandoned, GeneratorExit]
