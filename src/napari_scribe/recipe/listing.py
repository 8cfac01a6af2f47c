"""Print a recipe for reading: a line for each value, and what it means."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from .networks import NETWORK_KINDS
from .part import Part
from .targets import TARGET_KINDS

KINDS: dict[str, Mapping[str, type[Part]]] = {"target": TARGET_KINDS, "network": NETWORK_KINDS}
WIDTH = 96
"""Most letters in a line."""


def listing(parts: Mapping[str, Part]) -> str:
    """Return the values of all parts with their meaning, and those that other kinds have beside."""
    return "\n".join(line for name, part in parts.items() for line in _lines(name, part))


def _lines(name: str, part: Part) -> Iterator[str]:
    """Yield the lines of a part of a recipe."""
    own = type(part).model_fields
    for key, field in own.items():
        said = field.description or ""
        if key == "kind":
            said = f"One of {', '.join(KINDS[name])}."
        yield f"{name}.{key} = {getattr(part, key)}"
        yield from _indented(said)
    for kind, other in KINDS.get(name, {}).items():
        more = {k: field for k, field in other.model_fields.items() if k not in own}
        if more:
            yield f"with {name}.kind = {kind} also:"
        for key, field in more.items():
            yield f"    {name}.{key} = {field.default}"
            yield from _indented(field.description or "", 8)


def _indented(text: str, by: int = 4) -> list[str]:
    """Return the lines of a text."""
    return textwrap.wrap(text, WIDTH, initial_indent=" " * by, subsequent_indent=" " * by)
