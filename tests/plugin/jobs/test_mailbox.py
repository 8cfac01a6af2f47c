"""What threads send arrives in the main thread, and never crashes a dock that is being closed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

from qtpy.QtCore import QObject

from napari_scribe.plugin.jobs.mailbox import Mailbox

RACE = """
import random, sys, threading, time
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QApplication, QLabel, QWidget
from napari_scribe.plugin.jobs.mailbox import Mailbox

class Dock(QWidget):
    def __init__(self):
        super().__init__()
        self.labels = [QLabel(self) for _ in range(20)]
        self.mailbox = Mailbox()
        self.mailbox.delivered.connect(self.show_text)

    def show_text(self, text):
        self.labels[0].setText(text)

def tell(send):
    for _ in range(random.randrange(1000)):
        send("done")

application = QApplication([])
sys.setswitchinterval(1e-5)
end = time.monotonic() + 0.7
while time.monotonic() < end:
    dock = Dock()
    threads = [threading.Thread(target=tell, args=(dock.mailbox.send,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.001 * random.random())
    dock.deleteLater()
    del dock
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    for thread in threads:
        thread.join()
    application.processEvents()
"""


class Receiver(QObject):
    """Takes down what arrives, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[object, bool]] = []

    def take(self, sent: object) -> None:
        self.heard.append((sent, threading.current_thread() is threading.main_thread()))


def test_what_a_thread_sends_arrives_in_the_main_thread(qtbot: Any) -> None:
    mailbox, receiver = Mailbox(), Receiver()
    mailbox.delivered.connect(receiver.take)
    threading.Thread(target=mailbox.send, args=("done",)).start()
    qtbot.waitUntil(lambda: bool(receiver.heard))
    assert receiver.heard == [("done", True)]


def test_a_dock_may_be_deleted_while_a_thread_sends() -> None:
    """As closed docks are by napari; a signal of the dock itself would crash Python."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", RACE],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
