"""Put the parts of a recipe together, read them from files, and change them by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails

from ..errors import InputError, nearest
from .listing import listing
from .networks import NETWORK_KINDS, Network, UNet
from .part import Part, of_kind
from .presets import preset_named
from .targets import TARGET_KINDS, ObjectsTarget, Target
from .training import Augmentation, Losses, Tiling, Training

PREFIX = "Value error, "
"""What pydantic puts before the message of a ValueError."""
LONGEST = 2**20
"""Largest file with a recipe, in bytes."""

Defaults = Mapping[str, Mapping[str, object]]
"""Values by part of the recipe and by name."""
KINDS: Mapping[str, tuple[Mapping[str, type[Part]], str]] = {
    "network": (NETWORK_KINDS, UNet().kind),
    "target": (TARGET_KINDS, ObjectsTarget().kind),
}
"""Kinds of the parts that have some, and the default."""
VOLUME_DEFAULTS: Defaults = {
    "network": {"depth": 2},
    "training": {"patch": 48, "batch": 1},
    "target": {"object_size": 0.0},
}
"""Other defaults in 3D. With flat levels, patches have fewer pixels along Z."""
DENOISER_DEFAULTS: Defaults = {
    "network": {"normalization": "none"},
}
"""Other defaults of denoisers."""

SAVED_WHOLE = {"kind", "ring", "unpainted", "border_weight", "border_sigma"}
"""Values of a target of objects that every file has in which a whole recipe was saved."""


class Recipe(Part):
    """Hold everything that decides what is trained and how.

    ``Recipe(task="objects")`` is short for ``Recipe(target=ObjectsTarget())``.
    """

    target: Target = ObjectsTarget()
    network: Network = UNet()
    training: Training = Training()
    losses: Losses = Losses()
    augmentation: Augmentation = Augmentation()
    tiling: Tiling = Tiling()

    def __init__(self, **values: object) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {_reason(e, values)}"
                for e in error.errors()
            )
            raise InputError(f"The recipe does not fit: {reasons}.") from None

    def __str__(self) -> str:
        """Return a line for each value, with its meaning below."""
        return listing({name: getattr(self, name) for name in type(self).model_fields})

    @model_validator(mode="before")
    @classmethod
    def _choose_defaults(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        if _plain(values.get("target")).get("kind") == "denoised":
            values = _with_defaults(values, DENOISER_DEFAULTS)
        if str(_plain(values.get("network")).get("dimensions")) == "3":
            values = _with_defaults(values, VOLUME_DEFAULTS)
        return values

    @model_validator(mode="before")
    @classmethod
    def _take_task_for_target(cls, values: object) -> object:
        if isinstance(values, dict) and "task" in values:
            values = dict(values)
            task = values.pop("task")
            target = values.get("target", {})
            if isinstance(target, dict):
                values["target"] = {**target, "kind": task}
        return values

    @model_validator(mode="after")
    def _check_denoiser(self) -> Recipe:
        normalization = getattr(self.network, "normalization", "none")
        if self.task == "denoised" and normalization in ("instance", "group"):
            raise ValueError(
                f"network.normalization={normalization} brings features to one strength in every "
                "image, so that a denoiser could not tell how strong the noise is: use none or "
                "batch"
            )
        return self

    @classmethod
    def preset(cls, name: str) -> Recipe:
        """Return the recipe of a preset; `PRESETS` holds the names and when to take which.

        Raises
        ------
        InputError
            If there is no preset of this name.
        """
        return cls().changed(preset_named(name).values)

    @property
    def tile(self) -> int:
        """Return the side of a tile without its halo, in pixels, or a default for any machine."""
        return self.tiling.tile or (512 if self.network.dimensions == 2 else 96)

    @property
    def task(self) -> str:
        """Return the name of the task: ``objects``, ``classes`` or ``denoised``."""
        return self.target.kind

    @property
    def encoding(self) -> str:
        """Return the name of the encoding; it is that of the task if there is no choice."""
        return str(getattr(self.target, "encoding", self.task))

    def changed(self, values: Mapping[str, object]) -> Recipe:
        """Return a recipe with some values replaced.

        Parameters
        ----------
        values
            Dotted names, such as ``{"network.width": 32}``; texts are converted.

        Raises
        ------
        InputError
            If a name is unknown or a value out of bounds.
        """
        chosen = self.model_dump(exclude_unset=True)
        chosen.setdefault("target", {})["kind"] = self.task
        kind = str(values.get("network.kind", self.network.kind))
        if kind != self.network.kind:
            chosen["network"] = of_kind(chosen.get("network", {}), kind, NETWORK_KINDS)
        fields = NETWORK_KINDS.get(kind, type(self.network)).model_fields
        known_names = _names({**self.model_dump(), "network": fields})
        for name, value in values.items():
            if name not in known_names:
                raise InputError(
                    f"There is no recipe value '{name}'.{nearest(name, known_names)} To see all: "
                    "napari-scribe settings"
                )
            part, key = name.split(".")
            chosen.setdefault(part, {})[key] = value
        return parse_recipe(chosen)


def as_recipe(recipe: object) -> Recipe | None:
    """Return a recipe or None unchanged, or build one from plain values or from a JSON file.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if recipe is None or isinstance(recipe, Recipe):
        return recipe
    return read_recipe(recipe) if isinstance(recipe, str | Path) else parse_recipe(recipe)


def parse_recipe(values: object) -> Recipe:
    """Build a recipe from plain values.

    Raises
    ------
    InputError
        If a name is unknown or a value out of bounds.
    """
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise InputError(
            f"The recipe does not fit: it is of type {type(values).__name__}. Give its values by "
            "name, such as {'task': 'objects', 'network': {'width': 32}}."
        )
    return Recipe(**values)


def saved_recipe(values: object) -> Recipe:
    """Build a recipe from what a file holds.

    One that was saved whole before there was an object size leaves images as they are.

    Raises
    ------
    InputError
        If a name is unknown or a value out of bounds.
    """
    target = values.get("target") if isinstance(values, Mapping) else None
    if isinstance(values, Mapping) and isinstance(target, Mapping) and set(target) >= SAVED_WHOLE:
        values = {**values, "target": {"object_size": 0.0, **target}}
    return parse_recipe(values)


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe from a JSON file.

    Raises
    ------
    InputError
        If the file cannot be read or does not hold a recipe.
    """
    import json

    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(
            f"Cannot read the recipe {path}: it is no ordinary file. Give a JSON file."
        )
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
        if len(text) > LONGEST:
            raise ValueError("it is much too long")
        values = json.loads(text)
    except RecursionError:
        raise InputError(f"Cannot read the recipe {path}: it is no recipe.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"Cannot read the recipe {path}: {reason}. Give a JSON file.") from None
    try:
        return saved_recipe(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _plain(part: object) -> dict[str, Any]:
    """Return a part of a recipe as a dictionary."""
    return part if isinstance(part, dict) else dict(getattr(part, "__dict__", {}))


def _reason(error: ErrorDetails, values: Mapping[str, object]) -> str:
    """Say what is wrong with a value; if there is no such value, say which ones are like it."""
    if error["type"] != "extra_forbidden":
        return error["msg"].removeprefix(PREFIX)
    *above, name = map(str, error["loc"])
    fields: Mapping[str, object] = Recipe.model_fields
    if above:
        task = values.get("task") if above[0] == "target" else None
        plain = {"kind": task, **_plain(values.get(above[0]))}
        kinds = {**NETWORK_KINDS, **TARGET_KINDS}
        fields = kinds.get(str(plain["kind"]), type(getattr(Recipe(), above[0]))).model_fields
    return f"there is no such value.{nearest(name, fields)}".removesuffix(".")


def _with_defaults(values: dict[str, object], defaults: Defaults) -> dict[str, object]:
    """Add defaults for values that are missing; parts that are models already stay unchanged."""
    filled = dict(values)
    for part, default in defaults.items():
        chosen = values.get(part, {})
        if not isinstance(chosen, dict):
            continue
        if part in KINDS:  # only the defaults that are fields of this kind
            kinds, usual = KINDS[part]
            kind = kinds.get(str(chosen.get("kind", usual)))
            default = {k: v for k, v in default.items() if kind and k in kind.model_fields}
        filled[part] = {**default, **chosen}
    return filled


def _names(plain: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Return the dotted names of all values."""
    return [f"{part}.{key}" for part, values in plain.items() for key in values]
