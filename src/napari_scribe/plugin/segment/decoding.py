"""Change the decoding of a finished segmentation, and see its objects change at once."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from magicgui.widgets import FloatSlider, SpinBox
from napari import Viewer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QSlider, QWidget

from ...errors import InputError
from ...io.model_folder import is_shipped, new_model_path
from ..jobs.mailbox import Mailbox
from ..layers.managed import find_layer
from ..messages import explain
from ..widgets.basics import Fold, Hint, button, empty, layout_of, named, row, stack
from ..widgets.calm import calm
from .job import Decodable

if TYPE_CHECKING:
    from ...model import Model
    from ...targets import Knob, Parameters

WIDTH = 106
"""Width of the names, in pixels."""


class DecodingFold(Fold):
    """Offer the decoding parameters of the last segmentation, if it can be decoded again.

    Objects are made in a thread, always with the newest values. Labels that the user has painted on
    or renamed stay as they are: the objects appear in another layer then.

    Signals
    -------
    kept
        The file of the model that has the parameters now.
    failed
        Why it could not be done.
    """

    kept = Signal(object)
    failed = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__("Decoding")
        self.viewer = viewer
        self.decodable: Decodable | None = None
        self.fields: dict[str, FloatSlider | SpinBox] = {}
        self.found = Hint()
        self._lines = stack()
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[np.ndarray] | None = None
        self._is_outdated = False
        self.reset_button = button("Reset", "Take the model's own values again", self.reset)
        self.keep_button = button(
            "Keep in the model",
            "Save these values in the model's file, for all images that it segments from now on; a "
            "model that came with the program is copied first",
            self.keep,
        )
        buttons = row(self.reset_button, self.keep_button, 1)
        for part in (self._lines, buttons, self.found):  # whose text may be of several lines
            self.addWidget(part)
        self._mailbox = Mailbox()
        self._mailbox.delivered.connect(self._on_decoded)
        self.offer(None)

    def offer(self, decodable: Decodable | None) -> None:
        """Offer the parameters of a segmentation; hide where there is nothing to decode again."""
        self.decodable, self._is_outdated = decodable, False
        self.setVisible(decodable is not None)
        self.found.setText("")
        empty(layout_of(self._lines))
        self.fields = {}
        for knob in () if decodable is None else decodable.model.encoding.knobs:
            field = _field(knob)
            field.changed.connect(self._on_changed)
            self.fields[knob.name] = field
            unit = f" ({knob.unit})" if knob.unit else ""
            line = field if isinstance(field, SpinBox) else _with_number(field)
            layout_of(self._lines).addWidget(named(f"{knob.title}{unit}", line, WIDTH))
        calm(self._lines)
        if decodable is not None:
            self._fill(_own(decodable.model))

    def values(self) -> Parameters:
        """Return what is chosen; the model's own values where the fields only round them."""
        if self.decodable is None:
            return {}
        own = _own(self.decodable.model)
        return {
            name: own[name] if _is_as(field, own[name]) else float(field.value)
            for name, field in self.fields.items()
        }

    def reset(self) -> None:
        """Take the model's own values."""
        if self.decodable is not None:
            self._fill(_own(self.decodable.model))
            self._on_changed()

    def keep(self) -> None:
        """Save the values in the file of the model; in a copy if it came with the program."""
        from ...model import load_model

        if self.decodable is None or not isinstance(self.decodable.request.model, Path):
            return
        path = target = self.decodable.request.model
        if is_shipped(path):
            target = new_model_path(path.stem)
        try:
            model = load_model(path).with_decoding(self.values())
            model.save(target)
        except InputError as error:
            self.failed.emit(str(error))
            return
        request = replace(self.decodable.request, model=target)
        self.decodable = replace(self.decodable, request=request, model=model)
        self._show_state()
        self.kept.emit(target)

    def close_down(self) -> None:
        """Let go of the thread and of what is kept."""
        self.decodable = None
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fill(self, values: Parameters) -> None:
        for name, field in self.fields.items():
            with field.changed.blocked():
                field.value = round(values[name]) if isinstance(field, SpinBox) else values[name]
        self._show_state()

    def _show_state(self) -> None:
        if self.decodable is not None:
            differs = self.values() != _own(self.decodable.model)
            self.reset_button.setEnabled(differs)
            self.keep_button.setEnabled(differs and isinstance(self.decodable.request.model, Path))

    def _on_changed(self, _value: object = None) -> None:
        """Decode with the newest values as soon as the thread is free."""
        self._show_state()
        decodable = self.decodable
        if decodable is None:
            return
        if self._running is not None:
            self._is_outdated = True
            return
        from ...inference.decoding import decode

        values, send = self.values(), self._mailbox.send
        self._running = self._pool.submit(decode, decodable.model, decodable.maps, values)
        self._running.add_done_callback(lambda done: send((decodable, done)))

    def _on_decoded(self, answer: tuple[Decodable, Future[np.ndarray]]) -> None:
        decodable, done = answer
        self._running = None
        is_outdated, self._is_outdated = self._is_outdated, False
        if done.cancelled() or self.decodable is None:
            return
        if is_outdated:
            self._on_changed()
        if decodable.maps is not self.decodable.maps:  # of another segmentation
            return
        try:
            labels = done.result()
        except Exception as error:
            self.failed.emit(explain(error, "Decoding"))
            return
        self._show(decodable, labels)

    def _show(self, decodable: Decodable, labels: np.ndarray) -> None:
        """Show labels in the layer of the result, or beside it if the user has changed that."""
        request = decodable.request
        if request.image_layer not in self.viewer.layers:
            self.offer(None)
            return
        place = self.viewer, request.image_layer
        is_own = find_layer(*place, request.purpose) is not None
        request.show(
            *place,
            request.image,
            labels,
            request.purpose,
            region=decodable.region,
            **request.look,
        )
        n = int(labels.max(initial=0))
        beside = "" if is_own else " They are in a layer of their own: yours stays as it is."
        self.found.setText(f"{n} object{'' if n == 1 else 's'}.{beside}")


def _own(model: Model) -> Parameters:
    """Return the model's own decoding parameters."""
    from ...targets import defaults_of

    defaults = defaults_of(model.encoding.knobs)
    return {name: model.parameters.get(name, default) for name, default in defaults.items()}


def _is_as(field: FloatSlider | SpinBox, value: float) -> bool:
    """Return whether a field shows a value, which it may round to its step."""
    return bool(abs(field.value - value) <= 0.501 * (field.step or 0))


def _field(knob: Knob) -> FloatSlider | SpinBox:
    """Make the widget of a parameter: a spin box for pixels, a slider for shares."""
    if knob.unit:
        low, high = int(knob.low), int(min(knob.high, 1e6))
        return SpinBox(min=low, max=high, step=1, value=low, tooltip=knob.description)
    return FloatSlider(
        min=knob.low,
        max=knob.high,
        step=0.01,
        value=knob.default,
        readout=False,
        tooltip=knob.description,
    )


def _with_number(slider: FloatSlider) -> QWidget:
    """Put the value of a slider beside it; magicgui's own number is hidden by napari's style."""
    number = QLabel()
    number.setFixedWidth(34)

    def show(value: float) -> None:
        number.setText(f"{value:.2f}")

    slider.native.findChild(QSlider).valueChanged.connect(lambda _value: show(slider.value))
    show(slider.value)
    made = row(slider, number, wide=0)
    made.setToolTip(slider.tooltip or "")
    return made
