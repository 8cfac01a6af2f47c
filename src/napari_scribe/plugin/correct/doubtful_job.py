"""Find the doubtful places of a result: what is asked, and the work in its thread."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from heapq import nlargest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ...arrays import Array, Pixels
from ...errors import InputError
from ...image import Image
from ...progress import Job
from ..jobs.progress import JobClock, Progressed
from ..jobs.request import Request

if TYPE_CHECKING:
    from ...model import Model
    from ...session.doubtful import Place


@dataclass(frozen=True)
class Looked:
    """Tell how many tiles were predicted, or frames compared."""

    done: float
    total: int
    what: Literal["tile", "frame"]


@dataclass(frozen=True, eq=False)
class Doubts:
    """Hold where a result is doubtful.

    Parameters
    ----------
    places
        The most doubtful first; positions along TZYX, as far as the image has them, from the first
        pixel of the region.
    uncertainty
        ``(*region)``: 0 where the model is sure of object or background, 1 where both are as
        probable.
    """

    places: list[Place]
    uncertainty: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DoubtRequest(Request[Looked, "Doubts | None"]):
    """Describe of which objects the doubtful ones are looked for, and which model doubts.

    Parameters
    ----------
    image
        The image.
    labels
        ``(*region)``, along TZYX as far as the image has them: the objects as they are now.
    region
        The part of the image, per axis letter.
    model
        The file of the model.
    channels, device
        As `segment` takes them.
    """

    image: Image
    labels: Pixels
    region: Mapping[str, slice]
    model: Path
    channels: list[int] | None = None
    device: str | None = None

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Looking for doubtful places in {self.image.name}"

    def begin(self) -> Job[Looked, Doubts | None]:
        """Make the job; called in its thread."""
        from ...inference.decoding import maps_to_decode
        from ...inference.segment import segment
        from ...model import load_model

        model = load_model(self.model)
        if model.recipe.task != "objects":
            raise InputError(
                f"{model.name} does not find objects: choose another model under More settings."
            )
        run = segment(
            model,
            self.image,
            channels=self.channels,
            region=self.region,
            device=self.device,
            save=maps_to_decode(model),
            object_size=self._diameter(model),
        )

        def look(job: Any) -> Generator[Looked, None, Doubts | None]:
            for step in run:
                if job.stop_requested:
                    run.stop()
                yield Looked(step.done, step.total, "tile")
            if not run.is_complete:
                return None
            maps = {name: self._cropped(array, run.region) for name, array in run.maps.items()}
            return (yield from self._compare(job, model, maps))

        return Job(look)

    def progress(self, record: Looked, clock: JobClock) -> Progressed:
        """Return what the progress bar shows: tiles, then frames."""
        clock.add(record.done, record.total, record.what)
        return Progressed(clock.fraction, clock.in_words(record.what))

    def _diameter(self, model: Model) -> float | None:
        """Return the size of the objects that are there, so that the model sees them as before."""
        from ...targets.object_size import diameters_of_objects, thickness

        if model.object_size is None or self.labels.ndim < model.dimensions:
            return None
        frames = self.labels.reshape(-1, *self.labels.shape[self.labels.ndim - model.dimensions :])
        fullest = max(frames, key=np.count_nonzero)
        diameters = diameters_of_objects(fullest, thickness(self.image) or 1.0)
        return float(np.median(diameters)) if len(diameters) else None

    def _cropped(self, array: Array, covered: Mapping[str, slice]) -> Array:
        """Return the part of a map that was asked for; the run may have begun before it."""
        starts = [(covered.get(a, slice(0)).start or 0) for a in self.image.label_axes()]
        wanted = [self.region[a] for a in self.image.label_axes()]
        inside = (slice(w.start - s, w.stop - s) for w, s in zip(wanted, starts, strict=True))
        return np.asarray(array[(slice(None), *inside)])

    def _compare(
        self, job: Any, model: Model, maps: Mapping[str, Array]
    ) -> Generator[Looked, None, Doubts | None]:
        """Look for doubtful places frame by frame; only the most doubtful are kept.

        Stopped, return those of the frames that were done by then; None where none was.
        """
        from ...session.doubtful import MOST, doubting, uncertainty

        found: list[Place] = []
        shape = self.labels.shape[: self.labels.ndim - model.dimensions]
        n_frames = int(np.prod(shape, dtype=int))
        for i, frame in enumerate(np.ndindex(*shape)):
            of_frame = {name: array[(slice(None), *frame)] for name, array in maps.items()}
            looking = doubting(model, of_frame, self.labels[frame])
            for share in looking:
                yield Looked(i + share, n_frames, "frame")
                if job.stop_requested:
                    break
            if not looking.done:
                if i == 0:
                    return None
                break
            here = looking.result
            found += [replace(place, position=(*frame, *place.position)) for place in here]
            found = nlargest(MOST, found, key=lambda place: place.score)
        # The last channel is that of objects, whether background has one or not.
        return Doubts(found, uncertainty(np.asarray(maps["probability"])[-1]))
