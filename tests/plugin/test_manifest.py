"""The manifest: valid, installed as it stands here, and every command of it can be imported."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

MANIFEST = Path(__file__).resolve().parents[2] / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    """Return the manifest at the top of the checkout; reading it validates it."""
    return PluginManifest.from_file(MANIFEST)


def test_the_name_is_the_distribution_s(manifest: PluginManifest) -> None:
    assert manifest.name == distribution("napari-scribe").metadata["Name"]


def test_npe2_finds_what_the_checkout_says(manifest: PluginManifest) -> None:
    installed = PluginManifest.from_distribution("napari-scribe")
    assert installed.contributions == manifest.contributions, (
        "the installed manifest is older than napari.yaml: reinstall (pip install -e .)"
    )


def test_every_command_can_be_imported(manifest: PluginManifest) -> None:
    for command in manifest.contributions.commands or []:
        assert command.python_name is not None
        assert callable(import_python_name(command.python_name)), command.id


def test_contributions_name_commands_that_exist(manifest: PluginManifest) -> None:
    offered = manifest.contributions
    commands = {command.id for command in offered.commands or []}
    used = {widget.command for widget in offered.widgets or []}
    used |= {sample.command for sample in offered.sample_data or []}
    used |= {item.command for items in offered.menus.values() for item in items}
    assert used == commands


def test_menus_are_napari_s_own(manifest: PluginManifest) -> None:
    from napari._app_model.constants import MenuId

    assert set(manifest.contributions.menus) <= {str(menu) for menu in MenuId.contributables()}
