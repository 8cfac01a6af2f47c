"""How fast a job goes, and how long it will take."""

from __future__ import annotations

from napari_scribe.plugin.jobs.progress import WINDOW, JobClock


class Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_told_before_anything_is_known() -> None:
    job_clock = JobClock(Clock())
    assert (job_clock.speed, job_clock.fraction, job_clock.time_left) == (None, 0, "")
    job_clock.add(1, 900)
    assert job_clock.in_words("tile") == "tile 1 of 900"


def test_what_was_there_before_is_no_work_of_this_run() -> None:
    clock = Clock()
    job_clock = JobClock(clock)
    clock.now += 5
    job_clock.add(800, 900)
    clock.now += 10
    job_clock.add(831, 900)
    assert job_clock.in_words("tile") == "tile 831 of 900, 3.1 tiles/s, 22 s left"


def test_a_pause_takes_no_time() -> None:
    clock = Clock()
    job_clock = JobClock(clock)
    job_clock.add(0, 100)
    clock.now += 10
    job_clock.add(20, 100)
    job_clock.pause()
    clock.now += 3600
    job_clock.add(20, 100)  # what was on its way
    job_clock.resume()
    assert job_clock.seconds == 10
    clock.now += 10
    job_clock.add(40, 100)
    assert (job_clock.speed, job_clock.seconds) == (2, 20)
    assert job_clock.time_left == ", 30 s left"


def test_it_follows_what_has_become_slower() -> None:
    clock = Clock()
    job_clock = JobClock(clock)
    for i in range(200):
        job_clock.add(i, 1000)
        clock.now += 0.1
    for i in range(200, 260):
        job_clock.add(i, 1000)
        clock.now += 2
    assert job_clock.speed is not None
    assert abs(job_clock.speed - 0.5) < 0.01
    assert job_clock.in_words("tile") == "tile 259 of 1000, 2.0 s a tile, 24:42 min left"


def test_a_slow_step_is_measured_from_the_one_before() -> None:
    clock = Clock()
    job_clock = JobClock(clock)
    for i in range(3):
        job_clock.add(i, 10)
        clock.now += 3 * WINDOW
    assert job_clock.in_words("tile") == "tile 2 of 10, 90 s a tile, 12:00 min left"


def test_another_phase_has_a_speed_of_its_own() -> None:
    clock = Clock()
    job_clock = JobClock(clock)
    for i in range(10):
        job_clock.add(i, 20)
        clock.now += 5
    job_clock.add(10, 20, "numbers")
    assert job_clock.time_left == ""
    clock.now += 1
    job_clock.add(15, 20, "numbers")
    assert job_clock.time_left == ", 1 s left"
