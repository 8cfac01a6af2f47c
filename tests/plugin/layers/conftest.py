"""A viewer without a window: what is told of layers asks for none."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def viewer(qapp: Any) -> Any:
    """The model of a viewer, which is made far sooner than its window."""
    from napari.components import ViewerModel

    return ViewerModel()
