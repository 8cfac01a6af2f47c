"""Bring what a thread sends to the main thread, also where a dock is closed meanwhile."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal


class Mailbox(QObject):
    """Deliver in the main thread what other threads send.

    Python crashes where a thread emits a signal of a widget just when Qt deletes it. A mailbox
    belongs to no widget: it lives as long as somebody holds it, or its `send`. What it delivers to
    a widget that is gone is dropped.

    Signals
    -------
    delivered
        What was sent.
    """

    delivered = Signal(object)

    def send(self, sent: object) -> None:
        """Send something; called in any thread."""
        self.delivered.emit(sent)
