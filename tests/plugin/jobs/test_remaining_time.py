"""How fast a job goes, and how long it will take."""

from __future__ import annotations

from napari_scribe.plugin.jobs.remaining_time import WINDOW, Pace


class Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_told_before_anything_is_known() -> None:
    pace = Pace(Clock())
    assert (pace.rate, pace.fraction, pace.left) == (None, 0, "")
    pace.add(1, 900)
    assert pace.in_words("tile") == "tile 1 of 900"


def test_what_was_there_before_is_no_work_of_this_run() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now += 5
    pace.add(800, 900)
    clock.now += 10
    pace.add(831, 900)
    assert pace.in_words("tile") == "tile 831 of 900, 3.1 tiles/s, 22 s left"


def test_a_pause_takes_no_time() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.add(0, 100)
    clock.now += 10
    pace.add(20, 100)
    pace.pause()
    clock.now += 3600
    pace.add(20, 100)  # what was on its way
    pace.resume()
    assert pace.active == 10
    clock.now += 10
    pace.add(40, 100)
    assert (pace.rate, pace.active) == (2, 20)
    assert pace.left == ", 30 s left"


def test_it_follows_what_has_become_slower() -> None:
    clock = Clock()
    pace = Pace(clock)
    for i in range(200):
        pace.add(i, 1000)
        clock.now += 0.1
    for i in range(200, 260):
        pace.add(i, 1000)
        clock.now += 2
    assert pace.rate is not None
    assert abs(pace.rate - 0.5) < 0.01
    assert pace.in_words("tile") == "tile 259 of 1000, 2.0 s a tile, 24:42 min left"


def test_a_slow_step_is_measured_from_the_one_before() -> None:
    clock = Clock()
    pace = Pace(clock)
    for i in range(3):
        pace.add(i, 10)
        clock.now += 3 * WINDOW
    assert pace.in_words("tile") == "tile 2 of 10, 90 s a tile, 12:00 min left"


def test_another_phase_has_a_speed_of_its_own() -> None:
    clock = Clock()
    pace = Pace(clock)
    for i in range(10):
        pace.add(i, 20)
        clock.now += 5
    pace.turn()
    pace.add(10, 20)
    assert pace.left == ""
    clock.now += 1
    pace.add(15, 20)
    assert pace.left == ", 1 s left"
