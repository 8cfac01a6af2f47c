"""Bring the core into napari: docks, layers, and jobs in threads."""

from __future__ import annotations

import os

# torch's threads wait for one another awake: beside a viewer, or any other program on the same
# cores, a step then takes up to ten times as long. This is read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
