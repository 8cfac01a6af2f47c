"""Check the arguments of public functions, and say what to write if one is wrong."""

from __future__ import annotations

import functools
import inspect
import operator
import reprlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, ParamSpec, TypeVar

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _part_of_axis(value: slice | range | Sequence[int | None]) -> slice:
    """Convert a slice, a range, or a pair of start and stop to a slice."""
    if isinstance(value, slice | range):
        start, stop, step = value.start, value.stop, value.step
    else:
        (start, stop), step = value, None
    if step not in (None, 1):
        raise ValueError("a part has no gaps")
    return slice(*(None if end is None else operator.index(end) for end in (start, stop)))


def _names(value: str | Iterable[str]) -> tuple[str, ...]:
    """Convert a list of names, or names with commas between them, to a tuple."""
    names = value.split(",") if isinstance(value, str) else tuple(value)
    if not all(isinstance(name, str) for name in names):
        raise ValueError("some are no names")
    return tuple(name.strip() for name in names)


@functools.cache
def _kinds() -> dict[str, tuple[Any, str]]:
    """Return the pydantic type and the right form in words of each known parameter name."""
    from pydantic import PlainValidator

    path = str | Path
    part_of_axis = Annotated[Any, PlainValidator(_part_of_axis)]
    names = Annotated[Any, PlainValidator(_names)]
    boxes = list[tuple[tuple[int, int], ...]]
    yes_or_no = "True or False"
    return {
        "axes": (str, "letters of TCZYX, such as 'ZYX'"),
        "axis": (str, "a letter, such as 'T'"),
        "batch": (int, "a whole number, such as 4"),
        "channel": (int, "the number of a channel, such as 0"),
        "channels": (tuple[int, ...], "a list of whole numbers from 0, such as [0, 2]"),
        "checkpoint_every": (float, "a number of seconds, such as 60"),
        "chosen": (names, "a list of names, such as ['register', 'match']"),
        "complete": (bool | boxes, "True, or a list of boxes such as [((0, 64), (0, 64))]"),
        "corrected": (tuple[int, ...], "a list of numbers such as [2, 5]"),
        "dimensions": (Literal[2, 3], "2 or 3"),
        "in_part": (bool | tuple[int, ...], "True, or a list of numbers such as [2, 5]"),
        "first": (int, "the number of a channel, such as 0"),
        "second": (int, "the number of a channel, such as 1"),
        "keep_worse": (bool, yes_or_no),
        "level": (int, "a whole number, 0 for the full resolution"),
        "name": (path, "the name or the path of a model"),
        "object_size": (float, "a diameter in pixels, such as 24"),
        "out": (path, "the path of a .tif or .zarr"),
        "part": (tuple[int, int], "two whole numbers, such as (1, 3) for the first of three parts"),
        "overwrite": (bool, yes_or_no),
        "path": (path, "the path of a file or a folder"),
        "peak": (float, "a number, such as 255"),
        "pieces": (bool, "True if each piece is an object, False if each number is one"),
        "positive": (int, "a number of the truth, such as 1"),
        "region": (dict[str, part_of_axis], "a slice per axis letter, as {'Y': slice(0, 512)}"),
        "save": (names, "a list of names, such as ['labels', 'probability']"),
        "scheduler": (str, "an address, such as 'tcp://host:8786'"),
        "seconds": (float, "a number, such as 60"),
        "seed": (int, "a whole number, such as 0"),
        "series": (int, "a whole number, 0 for the first image of a file"),
        "slices": (bool, yes_or_no),
        "steps": (int, "a whole number, such as 1000"),
        "thin": (bool, yes_or_no),
        "threshold": (float, "a number from 0 to 1, such as 0.5"),
        "tile": (int, "a whole number of pixels, such as 512"),
        "workers": (int, "a whole number, such as 4"),
    }


@functools.cache
def _adapter(name: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(_kinds()[name][0])


def converted(name: str, value: object) -> Any:
    """Convert an argument to the type of the parameters of this name.

    Numbers of numpy are accepted.

    Raises
    ------
    InputError
        If it cannot be converted; the message gives the right form.
    """
    if isinstance(value, np.bool_):
        value = bool(value)
    try:
        return _adapter(name).validate_python(value)
    except (ValueError, TypeError, OverflowError):
        form = _kinds()[name][1]
        raise InputError(f"{name}={reprlib.repr(value)} is not understood: give {form}.") from None


def _takes(name: str, annotation: str) -> bool:
    """Return whether the type of its name applies to a parameter.

    The annotation decides: `first` is a channel in one function and an image in another, and an
    `object_size` is one number here, and there one number or several.
    """
    kind, _ = _kinds().get(name, (None, ""))
    return kind is not None and (
        not isinstance(kind, type) or _choices(annotation) - {"None"} == {kind.__name__}
    )


def _choices(annotation: str) -> set[str]:
    """Return the types between which an annotation leaves the choice."""
    return {choice.strip() for choice in annotation.split("|")}


def checked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Check the arguments of a public function before it runs.

    Only parameters with a known name and a matching annotation are checked. The function itself
    checks the others. None is not checked where the annotation allows it.
    """
    signature = inspect.signature(function)
    annotations = {n: str(p.annotation) for n, p in signature.parameters.items()}

    @functools.wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            is_none = value is None and "None" in _choices(annotations[name])
            if _takes(name, annotations[name]) and not is_none:
                bound.arguments[name] = converted(name, value)
        return function(*bound.args, **bound.kwargs)

    return call
