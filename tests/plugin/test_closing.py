"""A dock that was closed does nothing any more."""

from __future__ import annotations

from typing import Any

from qtpy.compat import isalive

from napari_scribe.plugin.samples import nuclei_layers
from napari_scribe.plugin.workspace.dock import Workspace


def test_a_workspace_that_is_closed_makes_no_page_any_more(viewer: Any, qtbot: Any) -> None:
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace)
    for data, options, kind in nuclei_layers(128):  # the page that is next will be shown soon
        getattr(viewer, f"add_{kind}")(data, **options)
    viewer.window.remove_dock_widget(workspace.parent())
    qtbot.waitUntil(lambda: not isalive(workspace))
    assert not workspace.pages
