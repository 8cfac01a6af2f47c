"""Show the result of a run in the viewer, from its first tiles to the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari import Viewer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from ..layers.live import LiveLayer
from ..layers.managed import find_layer
from ..layers.purpose import add_note, so_far
from ..layers.results import hide_labels_above, set_previews_visible
from ..messages import explain
from .inference import Outcome, RunRequest
from .request import Ended
from .runner import Runner

if TYPE_CHECKING:
    from ...inference.run import InferenceStep


class LiveResult:
    """Show the result of a run while it grows, and the whole of it in the end."""

    def __init__(self, viewer: Viewer, runner: Runner, request: RunRequest[Any]) -> None:
        self._viewer, self._runner, self._request = viewer, runner, request
        self._place = viewer, request.image_layer, request.image
        self._has_worked = False
        purpose = so_far(request.purpose)
        self._live = LiveLayer(*self._place, purpose, runner, request.show)

    def step(self, record: InferenceStep) -> None:
        """Show what is new, a while later."""
        self._has_worked = True
        self._live.update(record.done, self._request.look)

    def end(self, ended: Ended[Outcome]) -> Ended[Outcome]:
        """Show the result; return how the job ended, with what became of the result."""
        request, done = self._request, ended.value
        if done is not None:
            done = replace(done, seconds=self._runner.clock.seconds, is_old=not self._has_worked)
            ended = replace(ended, value=done)
            grown = self._live.layer or find_layer(
                self._viewer, request.image_layer, so_far(request.purpose)
            )
            try:
                self._show(done, grown)
            except Exception as error:  # somebody has changed the layers meanwhile
                text = explain(error, f"Showing the result of {request.image.name}")
                ended = Ended(error=f"The result could not be shown: {text}")
        elif ended.error and request.facts.has_leftovers and self._has_worked:
            text = f"{ended.error} What was done is kept: {request.button} goes on from there."
            ended = replace(ended, error=text)
        if done is not None and done.is_complete:
            self._live.close()
        else:
            self._live.finish()
        return ended

    def close(self) -> None:
        """Stop drawing."""
        self._live.close()

    def _show(self, done: Outcome, grown: Layer | None) -> None:
        request = self._request
        # A part takes nobody's place: the whole result of an earlier run stays as it is.
        purpose = request.purpose if done.is_complete else so_far(request.purpose)
        is_hidden = grown is not None and not grown.visible
        done.show_beneath(self._viewer, request, purpose)
        if done.is_shown_anew:
            shown = request.show(
                *self._place,
                done.levels or done.answer,
                purpose,
                region=done.region,
                instead_of=grown,
                **request.look,
            )
            if not is_hidden:  # whoever hid the result of before wants to see this one
                shown.visible = True
            if isinstance(shown, LabelsLayer) and shown.visible:
                hide_labels_above(self._viewer, request.image_layer, shown)
            if isinstance(request.model, Path):
                add_note(shown, model=str(request.model))
        elif done.is_complete and grown is not None:
            self._viewer.layers.remove(grown)
        done.show_above(self._viewer, request)
        set_previews_visible(self._viewer, request.image_layer, False)
