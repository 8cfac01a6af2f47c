"""How a segmentation is carried out: what is decided once, where it runs, in how much memory."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..device import all_like, precision
from ..errors import DamagedError, InputError, InUseError
from ..progress import Abandoned
from ..targets import count_channels
from .cluster import PATIENCE, Cluster, on_workers
from .denoise.denoised_image import DenoisedPixels
from .engine import Predict, Predictor
from .frame import FrameWork, Parts
from .halo_search import smallest_halo
from .ladder import Ladder
from .run import Run, SegmentJob, SegmentStep, Work
from .source import Source
from .speed.compile_trial import pays
from .speed.compiled import Compiled
from .speed.tile_size import choose_batch, choose_tile, n_descents
from .stitch import MARGIN, SIDE, plan_blocks
from .store.lock import Presence
from .store.sinks import Folder
from .tiles import Tile, plan_tiles

ATTEMPTS = 3
"""To do what was deleted or damaged again, before the user is asked to see to it."""


@dataclass
class Execution:
    """The body of a `SegmentJob`; see `segment` for what the fields mean."""

    source: Source
    sink: Any  # Memory or Folder
    out: Path | None
    overwrite: bool
    device: torch.device
    device_name: str | None
    presence: Presence | None
    tile: int | None
    batch: int | None
    is_quick: bool
    maps: tuple[str, ...]
    part: tuple[int, int] | None
    cluster: Cluster | None

    def __call__(self, job: SegmentJob) -> Generator[SegmentStep, None, Any]:
        """Decide, then run; the result is the labels.

        What was deleted or damaged meanwhile is done again.
        """
        try:
            for n in range(ATTEMPTS):
                try:
                    return (yield from self._attempt(job, n))
                except DamagedError as error:
                    reason = error
                    self._leave()
            raise DamagedError(
                f"{reason} It was done again and lost again: keep programs that clean up or "
                f"synchronize away from {self.sink.path}, or choose another folder."
            )
        except InUseError:
            raise
        except (Abandoned, InputError):
            # Who merely drops a job, as an error in the loop over it does, may want to go on.
            if self._is_alone:
                self.sink.remove()
            raise
        finally:
            self._leave()

    def _attempt(self, job: SegmentJob, n: int) -> Generator[SegmentStep, None, Any]:
        decided = self.sink.begin(self._decide)
        if n == 0:
            job.note = f"{job.note} {decided['note']}".strip()
        return (yield from self.run_for(decided)(job, self._work(job, decided), is_again=n > 0))

    @property
    def _is_alone(self) -> bool:
        """Whether nothing in the folder is another run's work."""
        if not isinstance(self.sink, Folder) or self.part is not None:
            return False
        return self.sink.is_new and Folder.is_begun(self.sink.path, self.sink.identity)

    @property
    def _is_reduced(self) -> bool:
        encoding = self.source.model.encoding
        has_index = encoding.is_pixelwise and encoding.heads[0].kind == "categorical"
        return has_index and not self.maps

    def _decide(self) -> dict[str, Any]:
        """What does not change within a run, however often it is broken off."""
        dtype = precision(self.device)
        halo, note = None, ""
        if self.is_quick and not self.source.statistics.flat.all():
            found = smallest_halo(self._predictor(self.device, dtype, reduce=False), self.source)
            halo, note = found.halo, found.in_words()
        tile = self.tile or choose_tile(self.source, self.device, dtype, halo)
        decided = {
            "precision": str(dtype).removeprefix("torch."),
            "tile": tile,
            "halo": halo,
            "note": note,
        }
        # Compiled, the last digits of an answer may be others: so it is for the whole run.
        compiled, word = self._is_compiled(decided)
        return {**decided, "compiled": compiled, "note": f"{note} {word}".strip()}

    def _is_compiled(self, decided: dict[str, Any]) -> tuple[bool, str]:
        """Whether compiling pays, and a word on it; workers elsewhere were not asked."""
        if self.cluster is not None:
            return False, ""
        dtype = getattr(torch, decided["precision"])
        tile = self._tiles(decided)[0]
        batch = self._batch(tile, dtype)
        if n_descents(self.source, tile, batch, self.device, dtype):
            return False, ""
        n_processes = self.part[1] if self.part else 1
        share = n_processes * len(all_like(self.device))
        return pays(self.source, tile, batch, self.device, dtype, share)

    def _work(self, job: SegmentJob, decided: dict[str, Any]) -> Work:
        if self.cluster is not None:
            self._note_presence(0)
            return on_workers(self.cluster, self, decided, job.ladder)
        ladder = self.ladder_for(decided, job.ladder)
        self._note_presence(ladder.descended)
        return _here(ladder, self.part)

    def run_for(self, decided: dict[str, Any]) -> Run:
        """The whole run, with what was decided."""
        source, n = self.source, self.source.model.dimensions
        is_pixelwise = source.model.coder.is_pixelwise
        blocks = [] if is_pixelwise else plan_blocks(source.frame_shape, SIDE[n], MARGIN[n])
        parts = Parts(tuple(self._tiles(decided)), tuple(blocks))
        return Run(
            source,
            parts,
            self.sink,
            self.out,
            self.maps,
            self.overwrite,
            is_shared=self.part is not None,
            patience=PATIENCE if self.cluster else 0.0,
        )

    def _tiles(self, decided: dict[str, Any]) -> list[Tile]:
        """Of each frame."""
        source = self.source
        geometry = source.model.network.geometry
        return plan_tiles(source.frame_shape, decided["tile"], geometry, decided["halo"])

    def _batch(self, tile: Tile, dtype: torch.dtype) -> int:
        return self.batch or choose_batch(self.source, tile, self.device, dtype)

    def ladder_for(self, decided: dict[str, Any], words: list[str]) -> Ladder:
        """The network, and how much it is given at once; what that comes to is added to `words`."""
        if isinstance(pixels := self.source.image.data, DenoisedPixels):
            words += [word for word in pixels.words if word not in words]
            pixels.words = words
        dtype = getattr(torch, decided["precision"])
        geometry = self.source.model.network.geometry
        tile = self._tiles(decided)[0]
        batch = self._batch(tile, dtype)
        descended = n_descents(self.source, tile, batch, self.device, dtype)
        if self.presence is not None and self.presence.killed_on is not None:
            descended = max(descended, self.presence.killed_on + 1)

        def predictors(kind: str) -> Sequence[Predict]:
            if self.source.statistics.flat.all():
                return [self._blank]
            devices = all_like(self.device) if kind == self.device.type else [torch.device(kind)]
            made = [self._predictor(device, dtype, self._is_reduced) for device in devices]
            if decided.get("compiled") and kind == self.device.type:
                shape = (batch, len(self.source.channels), *tile.read_shape)
                for predictor in made:
                    predictor.network = Compiled(predictor.network, shape, not_compiled)
            return made

        def not_compiled(reason: str) -> None:
            words.append(f"Compiling failed, so the network runs as it is ({reason}).")

        def told(n: int, word: str) -> None:
            words.append(word)
            self._note_presence(n)

        ladder = Ladder(batch, self.device.type, predictors, geometry, descended, told)
        if ladder.descended:
            why = "Memory is short" if self.presence is None else "Memory is short, or was before"
            words.append(f"{why}: began with {ladder.rung.in_words()}.")
        return ladder

    def _predictor(self, device: torch.device, dtype: torch.dtype, reduce: bool) -> Predictor:
        model = self.source.model
        answers = torch.float32 if model.coder.is_pixelwise else torch.float16  # as they are kept
        return Predictor(model.network, model.coder.heads, device, dtype, reduce, answers)

    def _blank(self, batch: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        """What stands in for the network where there is nothing to see."""
        model = self.source.model
        channels = 1 if self._is_reduced else count_channels(model.coder.heads)
        margins = margin or [0] * model.dimensions
        shape = [
            g.output_size(n) - 2 * m
            for g, n, m in zip(model.network.geometry, batch.shape[2:], margins, strict=True)
        ]
        return torch.zeros(len(batch), channels, *shape)

    def _note_presence(self, rung: int) -> None:
        if self.presence is not None:
            self.presence.note(rung)

    def _leave(self) -> None:
        if isinstance(self.sink, Folder) and self.sink.path.exists():
            self.sink.journal.sync()
        if self.presence is not None:
            self.presence.leave()


def _here(ladder: Ladder, part: tuple[int, int] | None = None) -> Work:
    """Work in this process: on all units, or on its share of them, such as the third of 16."""
    share, n_shares = part or (1, 1)

    def work(frames: Sequence[FrameWork]) -> Generator[tuple[int, int], None, None]:
        n_units = sum(frame.parts.n_units for frame in frames)
        for i, frame in enumerate(frames):
            first = i * frame.parts.n_units
            mine = {
                unit
                for unit in range(frame.parts.n_units)
                if (first + unit) * n_shares // n_units == share - 1
            }
            for n in frame.run(ladder.predict, mine):
                yield i, n
            if frame.is_whole:
                frame.close()

    return work
