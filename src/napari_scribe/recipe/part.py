"""Define what every part of a recipe is, and choose the model of a part by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

LARGEST = 2**31 - 1
"""Largest whole number where nothing else limits it: generators and spin boxes take no larger."""


class Part(BaseModel):
    """Hold values that do not change; unknown names are an error, so that typos are found."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def pixels_field(
    default: float,
    title: str,
    description: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
) -> Any:
    """Declare a length in pixels."""
    return Field(
        default,
        title=title,
        description=description,
        json_schema_extra={"unit": "px"},
        ge=ge,
        gt=gt,
        le=le,
    )


def told_apart_by_kind(kinds: Mapping[str, type[Part]], default: str) -> BeforeValidator:
    """Return a validator that turns plain values into the model that their ``kind`` names.

    Parameters
    ----------
    kinds
        The model of each kind. It is looked up at each use, so that kinds can be added later.
    default
        The kind of values that name none.
    """

    def build(values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        kind = values.get("kind", default)
        if not isinstance(kind, str) or kind not in kinds:
            raise ValueError(f"there is no kind {kind!r}: choose from {', '.join(kinds)}")
        return kinds[kind].model_validate(dict(values))

    return BeforeValidator(build)


def of_kind(
    values: Mapping[str, object], kind: object, kinds: Mapping[str, type[Part]]
) -> dict[str, object]:
    """Convert the values of one kind to those of another: fields of the same name stay."""
    fields = kinds[kind].model_fields if isinstance(kind, str) and kind in kinds else {}
    return {"kind": kind, **{k: v for k, v in values.items() if k in fields and k != "kind"}}
