"""The rules of the house: which way imports run, and what they load."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import napari_scribe

SOURCE = Path(__file__).resolve().parents[1] / "src" / "napari_scribe"
FLOORS = {
    1: {
        "user_folder",
        "windows",
        "wording",
        "errors",
        "recipe",
        "arrays",
        "arguments",
        "image",
        "device",
        "memory",
        "progress",
    },
    2: {
        "networks",
        "targets",
        "contrast",
        "pieces",
        "resampling",
        "normalization",
        "evaluation",
        "io",
        "samples",
    },
    3: {"model"},
    4: {"inference", "describe"},
    5: {"training"},
    6: {"session"},
    7: {"plugin", "cli", "demo", "terminal", "__main__"},
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
VIEWER = {"napari", "qtpy", "magicgui", "superqt", "npe2", "vispy", "PySide6", "PyQt6", "PyQt5"}
FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))
ROOMS = [path for path in FILES if path != Path("__init__.py")]


def room(path: Path) -> str:
    """Name the folder or the file of the package's first level that `path` belongs to."""
    return path.parts[0].removesuffix(".py")


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file of the package."""
    return ast.parse((SOURCE / path).read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of every import in a file, lazy ones too."""
    package = ["napari_scribe", *path.parts[:-1]]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            # `from . import x` and `from napari_scribe import x` name modules as well
            bare = origin == "napari_scribe"
            names = [f"{origin}.{alias.name}" for alias in node.names] if bare else [origin]
            yield from ((node.lineno, name) for name in names)


def files_imported(path: Path) -> set[Path]:
    """Return the files of the package that a file imports, lazily or for type checkers, too."""
    folder, files = list(path.parts[:-1]), set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = folder[: len(folder) - node.level + 1]
            origin = Path(*above, *(node.module or "").split("."))
            for alias in node.names:  # each may name a module, or something within one
                places = [origin / alias.name, origin]
                modules = [m for p in places for m in (Path(f"{p}.py"), p / "__init__.py")]
                files |= {next(m for m in modules if m in FILES)}
    return files - {path}


def is_of_viewer(name: str) -> bool:
    """Whether a module belongs to napari, Qt or what is built on them."""
    return name.partition(".")[0] in VIEWER


def named(wrong: Iterable[object]) -> str:
    """Name what breaks a rule, one a line."""
    return "\n".join(map(str, wrong))


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after running `code`."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, sep='\\n')"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_every_file_has_a_floor() -> None:
    assert ROOMS
    without = [path for path in ROOMS if room(path) not in FLOOR]
    assert not without, f"{named(without)}: say in FLOORS which floor it is on"


def test_no_import_runs_upward() -> None:
    public = {name: getattr(napari_scribe, name).__module__ for name in napari_scribe.__all__}
    homes = {name: module.removeprefix("napari_scribe.") for name, module in public.items()}
    upward = []
    for path in ROOMS:
        for line, name in imports(path):
            parts = name.split(".")
            if parts[0] != "napari_scribe" or len(parts) == 1:
                continue
            target = homes.get(parts[1], parts[1]).partition(".")[0]
            if FLOOR.get(target, 0) > FLOOR[room(path)]:
                upward.append(f"{path}:{line} imports upward: {name}")
    assert not upward, named(upward)


def test_no_imports_run_in_a_circle() -> None:
    """The package itself is left out: its public names are lazy, but for type checkers."""
    root = Path("__init__.py")
    try:
        graphlib.TopologicalSorter({p: files_imported(p) - {root} for p in ROOMS}).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(map(str, reversed(error.args[1]))))


def test_what_a_file_imports_is_found() -> None:
    found = files_imported(Path("inference", "denoise", "job.py"))
    assert {Path("model.py"), Path("io/__init__.py"), Path("inference/begin.py")} <= found
    lazy = files_imported(Path("plugin", "denoise", "job.py"))
    assert Path("inference/denoise/job.py") in lazy


def test_only_the_plugin_imports_the_viewer() -> None:
    others = (path for path in FILES if room(path) != "plugin")
    found = [(path, line, name) for path in others for line, name in imports(path)]
    assert found
    wrong = [f"{path}:{line} imports {name}" for path, line, name in found if is_of_viewer(name)]
    assert not wrong, named(wrong)


def test_only_the_command_line_names_flags() -> None:
    texts = [
        (path, node.lineno, node.value)
        for path in FILES
        if room(path) not in {"cli", "terminal"}
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert texts
    wrong = [f"{p}:{n} names a flag" for p, n, text in texts if re.search(r"(?<!-)--[a-z]", text)]
    assert not wrong, named(wrong)


def test_imports_are_read_as_absolute_names() -> None:
    found = {name for _, name in imports(Path("training", "train.py"))}
    assert {"numpy", "torch", "napari_scribe.errors", "napari_scribe.training.trainer"} <= found


def test_importing_the_package_loads_neither_torch_nor_a_viewer() -> None:
    assert not loaded_by("import napari_scribe") & {"torch", *VIEWER}


def test_help_loads_neither_torch_nor_a_viewer() -> None:
    code = (
        "import contextlib, io\n"
        "from napari_scribe.cli import main\n"
        "import sys; sys.argv = ['napari-scribe', '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()) as said:\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, end\n"
        "assert 'segment' in said.getvalue(), said.getvalue()"
    )
    assert not loaded_by(code) & {"torch", *VIEWER}


def test_the_core_loads_no_viewer() -> None:
    core = [path for path in FILES if room(path) not in {"plugin", "__main__"}]
    names = [".".join(["napari_scribe", *path.with_suffix("").parts]) for path in core]
    code = "\n".join(f"import {name.removesuffix('.__init__')}" for name in names)
    assert not loaded_by(code) & VIEWER


def test_every_public_name_resolves() -> None:
    assert napari_scribe.__all__
    missing = []
    for name in napari_scribe.__all__:
        try:
            getattr(napari_scribe, name)
        except (ImportError, AttributeError) as error:
            missing.append(f"{name}: {error}")
    assert not missing, "\n".join(missing)


def test_the_tested_package_is_this_checkout_s() -> None:
    """The rules above read the checkout: the installed package must be the same."""
    for path in FILES:
        name = ".".join(["napari_scribe", *path.with_suffix("").parts]).removesuffix(".__init__")
        installed = Path(napari_scribe.__file__).parent / path
        assert installed.exists(), f"{name} is not installed: reinstall the package"
        assert installed.read_text(encoding="utf-8") == (SOURCE / path).read_text(encoding="utf-8")
