"""Plates and wells of high-content screens, which hold images but are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError


def ome_of(group: Any) -> dict[str, Any]:
    """Return what the OME-NGFF metadata of a zarr group say, of version 0.5 or before."""
    attributes = dict(group.attrs)
    found = attributes.get("ome", attributes)
    return dict(found) if isinstance(found, dict) else {}


def check_no_plate(group: Any, path: Path) -> None:
    """Make sure that a group is no plate and no well.

    Raises
    ------
    InputError
        If it is: the message names a field of view that is there.
    """
    ome = ome_of(group)
    if "plate" in ome:
        what, wells = "a plate", _paths(ome["plate"], "wells")
    elif "well" in ome:
        what, wells = "a well of a plate", [""]
    else:
        return
    field = next((f for well in wells for f in _fields(group, well)), "")
    if not field:
        raise InputError(f"{path} is {what}, and none of the images that it names is there.")
    raise InputError(f"{path} is {what}, not one image: give one of its, such as {path / field}.")


def _fields(group: Any, well: str) -> Iterator[str]:
    """Paths of the fields of a well that are in a group."""
    node = group.get(well) if well else group
    if node is None:
        return
    for field in _paths(ome_of(node).get("well"), "images"):
        if node.get(field) is not None:
            yield f"{well}/{field}".strip("/")


def _paths(holder: Any, key: str) -> list[str]:
    """Paths of what is listed under a key."""
    entries = holder.get(key) if isinstance(holder, dict) else None
    listed = entries if isinstance(entries, list) else []
    return [str(e["path"]) for e in listed if isinstance(e, dict) and e.get("path")]
