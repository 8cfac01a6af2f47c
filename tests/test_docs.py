"""The pages of the documentation: their commands run, and their tables are what the code says."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import napari_scribe as ns
from napari_scribe.recipe import PRESETS

DOCS = Path(__file__).resolve().parents[1] / "docs"
STEPS = re.compile(r"--steps \d+")


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the blocks of code of a page: what the line before says, and the code."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"([^\n]*)\n\n```\w*\n(.*?)\n```", text, re.DOTALL)


def test_the_commands_of_the_course_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    n_commands = 0
    for before, code in blocks("course.md"):
        if code.startswith("{"):
            (name,) = re.findall(r"`(\S+\.json)`", before)
            Path(name).write_text(code)
            continue
        for line in code.splitlines():
            program, *arguments = shlex.split(STEPS.sub("--steps 2", line))
            assert program == "napari-scribe"
            done = call(*arguments)
            assert done.code == 0, f"{line}\n{done.err}"
            n_commands += 1
    assert n_commands > 15
    assert Path("roc.png").stat().st_size > 10_000


def test_the_example_of_several_processes_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., Any]
) -> None:
    """Here in one process: `tests/training/test_distributed.py` starts two."""
    monkeypatch.chdir(tmp_path)
    assert call("sample", "sample", "--side", 128).code == 0
    (line,) = [code for _, code in blocks("long-training.md") if "--device cpu" in code]
    launcher, arguments = STEPS.sub("--steps 1", line).split(" -m napari_scribe ")
    assert launcher == "torchrun --nproc-per-node 2"
    done = call(*shlex.split(arguments))
    assert done.code == 0, done.err
    recipe = ns.load_model("m.zip").recipe
    assert recipe.network.normalization == "group" and recipe.training.batch % 2 == 0


def test_the_commands_of_models_that_ship_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for _, code in blocks("models.md") for line in code.splitlines()]
    commands = [line for line in lines if line.startswith("napari-scribe ")]
    for line in commands:
        done = call(*shlex.split(STEPS.sub("--steps 2", line))[1:])
        assert done.code == 0, f"{line}\n{done.err}"
    assert len(commands) == 5


def test_the_tutorial_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = [code for _, code in blocks("tutorial.md") if code.startswith("import")]
    names: dict[str, Any] = {}
    exec(code.replace("seconds=15", "steps=2"), names)
    assert names["labels"].max() > 20
    assert len(Path("nuclei.csv").read_text(encoding="utf-8-sig").splitlines()) > 20


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (DOCS / page).read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert not [link for link in local if not (DOCS / link).exists()]


def test_the_table_of_networks_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("make_networks", DOCS / "make_networks.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (DOCS / "networks" / "README.md").read_text(encoding="utf-8")
    for row in (script.HEAD, *map(script.row, PRESETS)):
        assert row in page, "print the table anew: python docs/make_networks.py"
