"""Records of what is done, and of who does it: what is believed after a crash, and what is not."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from napari_scribe.errors import InputError
from napari_scribe.inference.store import journal
from napari_scribe.inference.store.journal import ON_DISK, Journal
from napari_scribe.inference.store.lock import RunLock
from napari_scribe.inference.store.sinks import Folder


def written(folder: Path, keys: str) -> Path:
    """The only log of what a process has recorded."""
    mine = Journal(folder)
    for key in keys:
        mine.record("tiles", key)
    (log,) = folder.glob("tiles.*.log")
    return log


def known(folder: Path, keys: str) -> str:
    return "".join(key for key in keys if Journal(folder).is_done("tiles", key))


def test_what_was_recorded_is_done(tmp_path: Path):
    written(tmp_path, "ab")
    assert known(tmp_path, "abc") == "ab"
    assert not Journal(tmp_path).is_done("objects", "a")


def test_a_torn_last_line_does_not_count(tmp_path: Path):
    log = written(tmp_path, "ab")
    log.write_text(log.read_text()[:-1])
    assert known(tmp_path, "ab") == "a"


@pytest.mark.parametrize(("lines", "left"), [("ab#c#d", "abc"), ("#ab", ""), ("ab", "")])
def test_of_another_boot_only_what_had_reached_the_disk_counts(
    tmp_path: Path, lines: str, left: str
):
    log = written(tmp_path, "x")
    keys = [ON_DISK if line == "#" else line for line in lines]
    boot = log.read_text().split("\n")[0]
    log.write_text("\n".join([boot, *keys, ""]))
    assert known(tmp_path, "abcd") == lines.replace("#", "")
    log.write_text("\n".join(["another boot", *keys, ""]))
    assert known(tmp_path, "abcd") == left


def test_to_sync_is_to_survive_a_power_cut(tmp_path: Path):
    mine = Journal(tmp_path)
    mine.record("tiles", "a")
    mine.sync()
    mine.record("tiles", "b")
    (log,) = tmp_path.glob("tiles.*.log")
    log.write_text("another boot\n" + log.read_text().split("\n", 1)[1])
    assert known(tmp_path, "ab") == "a"


def test_a_frame_that_another_process_closed_does_not_keep_the_rest_from_the_disk(tmp_path: Path):
    """Whichever log comes first in a set."""
    worker, leader = Folder(tmp_path / "run", "me"), Folder(tmp_path / "run", "me")
    leader.begin(dict)
    names = [f"frame-{i}/tiles" for i in range(10)]
    for name in names:
        worker.record(name, "a")
    for i in range(9):
        leader.drop(f"frame-{i}/")
    worker.journal.sync()
    (log,) = tmp_path.glob("run/*/tiles.*.log")
    assert log.read_text().endswith(f"{ON_DISK}\n")
    worker.journal.sync()


@pytest.mark.parametrize("content", ["", "a", "\0\0\0\n"])
def test_a_damaged_log_counts_for_nothing(tmp_path: Path, content: str):
    written(tmp_path, "a").write_text(content)
    assert known(tmp_path, "a") == ""


def test_what_is_forgotten_is_begun_anew(tmp_path: Path):
    mine = Folder(tmp_path / "run", "me")
    mine.begin(dict)
    mine.record("frame-1/tiles", "a")
    mine.record("frame-10/tiles", "b")
    mine.drop("frame-1/")
    assert not mine.is_done("frame-1/tiles", "a") and mine.is_done("frame-10/tiles", "b")
    mine.record("frame-1/tiles", "c")
    again = Folder(tmp_path / "run", "me")
    assert again.is_done("frame-1/tiles", "c") and not again.is_done("frame-1/tiles", "a")


RECORD = """
import sys
from pathlib import Path
from napari_scribe.inference.store.journal import Journal
Journal(Path(sys.argv[1])).record("tiles", "b")
"""


def test_the_logs_of_two_processes_add_up(tmp_path: Path):
    mine = Journal(tmp_path)
    mine.record("tiles", "a")
    subprocess.run([sys.executable, "-c", RECORD, tmp_path], check=True)
    assert len(list(tmp_path.iterdir())) == 2
    assert not mine.is_done("tiles", "b")  # it looks once
    mine.reload()
    assert mine.is_done("tiles", "a") and mine.is_done("tiles", "b")


def test_two_threads_may_record_while_the_disk_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journal, "SYNC_EVERY", 0.0)
    mine, errors = Journal(tmp_path), []

    def record(name: str) -> None:
        try:
            for i in range(20):
                mine.record(f"{name}{i}", "a")
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=record, args=(name,)) for name in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(Journal(tmp_path).is_done(f"{name}{i}", "a") for name in "xy" for i in range(20))


# ---- folders ------------------------------------------------------------------------------------


def test_of_two_that_begin_at_once_the_second_follows_the_first(tmp_path: Path):
    """Each decides; what was recorded by the one that was first stays."""
    first, second = (Folder(tmp_path / "run", "me") for _ in range(2))

    def decide_late() -> dict[str, int]:
        assert first.begin(lambda: {"tile": 1}) == {"tile": 1}
        first.record("tiles", "a")
        return {"tile": 2}

    assert second.begin(decide_late) == {"tile": 1}
    assert second.is_done("tiles", "a")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_is_left_of_a_folder_is_replaced(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("")  # did not reach the disk
    sink = Folder(tmp_path / "run", "me")
    assert sink.begin(lambda: {"tile": 3}) == {"tile": 3}
    again = Folder(tmp_path / "run", "me")
    again.begin(dict)
    assert sink.is_new and not again.is_new
    with pytest.raises(InputError, match="unfinished result of another"):
        Folder(tmp_path / "run", "you")


# ---- locks ---------------------------------------------------------------------------------------

WORK = """
import sys
from pathlib import Path
from napari_scribe.inference.store.lock import RunLock
RunLock(Path(sys.argv[1]), sys.argv[2]).hold(int(sys.argv[3]))
print("at work", flush=True)
input()
"""


@contextmanager
def somebody_at_work(
    folder: Path, who: str = "run", reductions: int = 0
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", WORK, folder, who, str(reductions)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None and b"at work" in child.stdout.readline()
            yield child
        finally:
            child.kill()


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path):
    with somebody_at_work(tmp_path):
        with pytest.raises(InputError, match=r"Another program is at work on .*: wait until"):
            RunLock(tmp_path, "run")
        with pytest.raises(InputError, match="Another program is at work"):
            RunLock(tmp_path, "part-2")
    RunLock(tmp_path, "run")


def test_who_is_slower_to_begin_is_refused(tmp_path: Path):
    """Both found nobody when they were called."""
    late = RunLock(tmp_path, "run")
    with somebody_at_work(tmp_path):
        with pytest.raises(InputError, match="Another program is at work"):
            late.hold(0)
        late.release()
        with pytest.raises(InputError, match="Another program is at work"):
            RunLock(tmp_path, "run")


def test_a_clock_that_is_set_hides_nobody(tmp_path: Path):
    with somebody_at_work(tmp_path):
        (note,) = tmp_path.glob("*.running")
        noted = json.loads(note.read_text())
        note.write_text(json.dumps(noted | {"started": noted["started"] + 1.5}))
        with pytest.raises(InputError, match="Another program is at work"):
            RunLock(tmp_path, "run")


HERE_BEFORE, ELSEWHERE = {"boot": "another"}, {"host": "another", "boot": "another"}


@pytest.mark.parametrize(("change", "killed_at"), [({}, None), (HERE_BEFORE, None), (ELSEWHERE, 2)])
def test_kills_are_not_compared_with_those_of_another_machine(
    tmp_path: Path, change: dict[str, str], killed_at: int | None
):
    with somebody_at_work(tmp_path, reductions=2):
        (note,) = tmp_path.glob("*.running")
        noted = json.loads(note.read_text())
    if noted["kills"] is None:
        pytest.skip("kills are not counted here")
    note.write_text(json.dumps(noted | change))
    assert RunLock(tmp_path, "run").killed_at == killed_at


def test_parts_run_beside_each_other_and_the_last_run_waits_for_them(tmp_path: Path):
    with somebody_at_work(tmp_path, "part-2"):
        RunLock(tmp_path, "part-3")
        for who in ("part-2", "run"):
            with pytest.raises(InputError, match="Another program is at work"):
                RunLock(tmp_path, who)


def test_who_leaves_in_order_leaves_nothing(tmp_path: Path):
    one = RunLock(tmp_path, "run")
    assert one.killed_at is None
    one.hold(3)
    assert RunLock(tmp_path, "run") is not one  # its own process does not count
    one.release()
    assert not list(tmp_path.iterdir())
    one.release()
