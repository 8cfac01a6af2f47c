"""Define the command line: its commands, how errors are printed, and the exit status.

The package and torch are imported when a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from .. import __version__
from ..errors import BUGS, InputError
from ..terminal import with_flags
from ..training.processes import is_first_process, is_launched
from .denoise import denoise, train_denoiser
from .evaluate import demo, evaluate, info
from .examples import presets, sample, settings
from .measure import measure
from .segment import seam_test, segment
from .train import train

app = typer.Typer(
    name="napari-scribe",
    help="Paint a few strokes, get a U-Net: train, segment, denoise and evaluate without a viewer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = (
    demo,
    sample,
    presets,
    settings,
    train,
    segment,
    train_denoiser,
    denoise,
    evaluate,
    measure,
    seam_test,
    info,
)
for command in COMMANDS:
    app.command()(command)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"napari-scribe {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version),
    ] = False,
) -> None: ...


def _print_any_name() -> None:
    """Let the name of any file be printed. Names need not be UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _one_voice() -> Iterator[None]:
    """Let only the first of the processes that torchrun started print, and let none ask."""
    with contextlib.ExitStack() as stack:
        if is_launched():
            nothing = stack.enter_context(open(os.devnull, "r+", encoding="utf-8"))
            sys.stdin = nothing
            if not is_first_process():
                stack.enter_context(contextlib.redirect_stdout(nothing))
                stack.enter_context(contextlib.redirect_stderr(nothing))
        yield


def main() -> None:
    """Run a command.

    Bad input ends with one line and status 2. A failure of disks, memory or devices ends with one
    line and status 1. So does a name that is no text. Any other error is a bug and shows its
    traceback.
    """
    _print_any_name()
    try:
        with _one_voice():
            app(standalone_mode=True)
    except InputError as error:
        if os.environ.get("LOCAL_RANK", "0") == "0":  # once on each machine
            typer.echo(f"Error: {with_flags(error)}", err=True)
        else:
            time.sleep(5)  # torchrun kills all as soon as one ends: the one that speaks ends first
        raise SystemExit(2) from None
    except BUGS:
        raise
    except (OSError, MemoryError, RuntimeError, UnicodeEncodeError) as error:
        typer.echo(f"Failed midway: {with_flags(error)}", err=True)
        raise SystemExit(1) from None
