"""Plan a run: hold its settings, decide what stays fixed, and make its network ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..device import all_like, precision
from ..targets import count_channels
from ..targets.object_size import factor_to
from .denoise.denoised_image import DenoisedPixels
from .engine import Predict, Predictor
from .halo_search import smallest_halo
from .retry import RetryingPredictor
from .source import Source
from .speed.compile_trial import pays
from .speed.compiled import Compiled
from .speed.tile_size import choose_batch, choose_tile, reductions_needed
from .store.sinks import Record
from .tiles import Tile, plan_tiles


@dataclass(frozen=True)
class Settings:
    """Hold the arguments of `segment` or `denoise` that say how a model is run."""

    out: Path | None
    maps: tuple[str, ...] = ()
    tile: int | None = None
    batch: int | None = None
    is_quick: bool = False
    device: str | None = None
    overwrite: bool = False
    part: tuple[int, int] | None = None
    workers: int | None = None
    scheduler: str | None = None
    object_size: float | None = None

    @property
    def is_on_cluster(self) -> bool:
        """Return whether dask workers do the work."""
        return bool(self.workers or self.scheduler)


@dataclass(frozen=True)
class Plan:
    """Hold what is decided when an output is begun, and recorded with it.

    A run that resumes the work uses the same plan. With another plan the new parts would differ
    slightly from those that are done.

    Parameters
    ----------
    precision
        Type of the network's arithmetic, such as ``bfloat16``.
    tile
        Side of the output of a tile, in pixels.
    halo
        Pixels per axis around the output of a tile; the network's exact halo when None.
    compiled
        Whether the network is compiled.
    note
        A sentence for the user on what was decided.
    batch
        Tiles per forward pass. When None, each process chooses a number for its device. It is not
        recorded, because it does not change the answer.
    factor
        How much finer the grid is that the network sees than the image's own pixels.
    object_size
        Diameter of the objects in the image, in its pixels, as it was given or estimated; None if
        it is not known.
    """

    precision: str
    tile: int
    halo: tuple[int, ...] | None = None
    compiled: bool = False
    note: str = ""
    batch: int | None = None
    factor: float = 1.0
    object_size: float | None = None

    @classmethod
    def from_record(cls, record: Record, batch: int | None) -> Plan:
        """Read the plan of an output from its record."""
        halo = record["halo"] and tuple(record["halo"])
        return cls(**record | {"halo": halo, "batch": batch})

    @property
    def record(self) -> Record:
        """Return the plan as plain values for JSON."""
        return {name: value for name, value in vars(self).items() if name != "batch"}

    def size_in_words(self, known: float | None) -> str:
        """Say how large the objects are; an empty text if that is not known.

        Parameters
        ----------
        known
            Diameter of the objects that the model knows, in pixels.
        """
        if self.object_size is None:
            return ""
        text = f"Objects of about {self.object_size:.3g} px"
        if self.factor == 1 or known is None:
            return f"{text}."
        return f"{text} were brought to the {known:.3g} px that the model knows."

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the network's arithmetic."""
        dtype: torch.dtype = getattr(torch, self.precision)
        return dtype

    def tiles(self, source: Source) -> list[Tile]:
        """Return the tiles of a frame; all frames have the same."""
        return plan_tiles(source.frame_shape, self.tile, source.model.network.geometry, self.halo)

    def load_on(self, device: torch.device, source: Source) -> tuple[Tile, int, int]:
        """Return a tile, the tiles per forward pass, and how often memory reduces this load."""
        tile = self.tiles(source)[0]
        batch = self.batch or choose_batch(source, tile, device, self.dtype)
        return tile, batch, reductions_needed(source, tile, batch, device, self.dtype)


def choose_factor(source: Source, object_size: float | None) -> float:
    """Decide how much finer the grid is that the network sees than the image's own pixels.

    Parameters
    ----------
    source
        The image on its own pixels.
    object_size
        Diameter of the objects in it, in pixels; None if nobody says it.
    """
    if source.model.object_size is None or source.is_empty:
        return 1.0
    return factor_to(source.model.object_size, object_size)


def make_plan(source: Source, settings: Settings, device: torch.device) -> Plan:
    """Decide how a new output is made on this machine, on the grid of `source`."""
    dtype = precision(device)
    halo: tuple[int, ...] | None = None
    note = ""
    if settings.is_quick and not source.is_empty:
        search = smallest_halo(_predictor(source, device, dtype), source)
        halo, note = tuple(search.halo), search.in_words()
    tile = settings.tile or choose_tile(source, device, dtype, halo)
    name = str(dtype).removeprefix("torch.")
    size = settings.object_size
    plan = Plan(name, tile, halo, False, note, settings.batch, source.factor, size)
    compiled, words = _pays_to_compile(source, settings, plan, device)
    return replace(plan, compiled=compiled, note=f"{note} {words}".strip())


def _pays_to_compile(
    source: Source, settings: Settings, plan: Plan, device: torch.device
) -> tuple[bool, str]:
    """Return whether compiling saves time, with a sentence for the user."""
    if settings.is_on_cluster:  # workers may run on other machines
        return False, ""
    tile, batch, reductions = plan.load_on(device, source)
    if reductions:
        return False, ""
    n_processes = settings.part[1] if settings.part else 1
    return pays(source, tile, batch, device, plan.dtype, n_processes * len(all_like(device)))


def make_predictor(
    source: Source,
    plan: Plan,
    maps: Sequence[str],
    device: torch.device,
    notes: list[str],
    killed_at: int | None,
    on_reduction: Callable[[int], None],
) -> RetryingPredictor:
    """Make the network ready as planned, and begin with a load that should fit the free memory.

    Parameters
    ----------
    maps
        Names of the maps that are saved.
    notes
        List that sentences for the user are added to, on memory and on compiling.
    killed_at
        How often the load was reduced when the process before was killed because memory ran out;
        None if it was not.
    on_reduction
        Called with the number of reductions when memory runs out.
    """
    if isinstance(pixels := source.own.image.data, DenoisedPixels):
        notes += [note for note in pixels.notes if note not in notes]
        pixels.notes = notes
    tile, batch, reductions = plan.load_on(device, source)
    if killed_at is not None:
        reductions = max(reductions, killed_at + 1)
    encoding = source.model.encoding
    is_index_possible = encoding.is_pixelwise and encoding.heads[0].kind == "categorical"
    is_reduced = is_index_possible and not maps  # maps need the probabilities

    def make(device_type: str) -> Sequence[Predict]:
        if source.is_empty:
            return [_Blank(source, is_reduced)]
        devices = all_like(device) if device_type == device.type else [torch.device(device_type)]
        predictors = [_predictor(source, d, plan.dtype, is_reduced) for d in devices]
        if plan.compiled and device_type == device.type:
            shape = (batch, len(source.channels), *tile.read_shape)
            for predictor in predictors:
                predictor.network = Compiled(predictor.network, shape, report_not_compiled)
        return predictors

    def report_not_compiled(reason: str) -> None:
        notes.append(f"Compiling failed, so the network runs as it is ({reason}).")

    def report_reduction(n: int, words: str) -> None:
        notes.append(words)
        on_reduction(n)

    geometry = source.model.network.geometry
    predictor = RetryingPredictor(batch, device.type, make, geometry, reductions, report_reduction)
    if predictor.reductions:
        why = "Memory is short" if killed_at is None else "Memory is short, or was before"
        notes.append(f"{why}: began with {predictor.load.in_words()}.")
    return predictor


def _predictor(
    source: Source, device: torch.device, dtype: torch.dtype, is_reduced: bool = False
) -> Predictor:
    model = source.model
    # Predictions that are stored are float16.
    answers = torch.float32 if model.encoding.is_pixelwise else torch.float16
    return Predictor(source.network, model.encoding.heads, device, dtype, is_reduced, answers)


@dataclass(frozen=True)
class _Blank:
    """Answer 0 everywhere in place of the network, for an image in which nothing stands out."""

    source: Source
    is_reduced: bool

    def __call__(self, batch: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        model = self.source.model
        channels = 1 if self.is_reduced else count_channels(model.encoding.heads)
        margins = margin or [0] * model.dimensions
        shape = [
            g.output_size(n) - 2 * m
            for g, n, m in zip(model.network.geometry, batch.shape[2:], margins, strict=True)
        ]
        return torch.zeros(len(batch), channels, *shape)
