"""Say how much of what was held out a model answers rightly: objects found, and not a loss."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

ENOUGH_PIXELS = 0.95
"""Share of right pixels from which on nothing is advised."""
MOST_NAMED = 5
"""How many missed objects are named."""
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Share = Annotated[float, Field(ge=0, le=1)]


class HeldOut(BaseModel):
    """Count what a model answers rightly of what was held out from its training.

    Parameters
    ----------
    objects, found
        Painted objects, and those that are found: by an object that shares at least half of what
        both cover (IoU).
    missed
        Numbers of painted objects that are not found, as far as one image is painted.
    pixels, right
        Painted pixels, and those that get the right class.
    noise_removed
        Share of the noise that a denoiser takes away, as variance.
    """

    objects: _Count = 0
    found: _Count = 0
    missed: Annotated[tuple[_Count, ...], Field(max_length=100)] = ()
    pixels: _Count = 0
    right: _Count = 0
    noise_removed: _Share | None = None

    def in_words(self) -> str:
        """Return what the model can do, as in "finds 4 of 5 held-out objects"; empty if unknown."""
        if self.objects == 1:
            return f"{'finds' if self.found else 'misses'} the one held-out object"
        if self.objects:
            return f"finds {self.found} of {self.objects} held-out objects"
        if self.pixels:
            return f"gets {100 * self.right / self.pixels:.0f} % of held-out pixels right"
        if self.noise_removed is not None:
            return f"takes away {100 * self.noise_removed:.0f} % of the noise of held-out pairs"
        return ""

    def advice(self, *, is_learning: bool = False) -> str:
        """Return what helps where that is not good enough; empty where it is, or nobody knows.

        Parameters
        ----------
        is_learning
            Whether the model was still getting better when its training ended.
        """
        lacks_objects = self.found < self.objects
        if not lacks_objects and self.right >= ENOUGH_PIXELS * self.pixels:
            return ""
        if is_learning:
            return "It was still getting better: Continue."
        if lacks_objects:
            return f"Paint more objects like those it misses{self._those()}, then Continue."
        return "Paint a little of each class where the preview is wrong, then Continue."

    def _those(self) -> str:
        """Return the numbers of missed objects, as in " (numbers 4, 9)"."""
        named = ", ".join(map(str, self.missed[:MOST_NAMED]))
        more = len(self.missed) - MOST_NAMED
        if more > 0:
            named += f" and {more} more"
        return f" (number{'s' if len(self.missed) > 1 else ''} {named})" if named else ""
