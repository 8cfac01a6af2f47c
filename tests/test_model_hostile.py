"""Model files made to hurt: refused in one line, at the cost of little memory."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from safetensors.torch import save as save_tensors

from napari_scribe.errors import InputError
from napari_scribe.io.model_file import LARGEST_SIDE, LONGEST, from_png, to_png
from napari_scribe.model import Model, build_network, load_model
from napari_scribe.normalization import FixedNormalization, Normalization
from napari_scribe.recipe import Recipe
from napari_scribe.targets import encoding_of

MIB = 2**20
LIMIT = 130 * MIB
"""Bytes that a hostile file may cost at its worst moment."""


def make(task: str = "objects", **changes: Any) -> Model:
    recipe = Recipe(task=task, network={"depth": 1, "width": 2})
    fixed = FixedNormalization((10.0,), (2.0,))
    return Model(
        network=build_network(recipe, 1, encoding_of(recipe, (1, 2))).eval(),
        recipe=recipe,
        channels=(0,),
        image_channels=1,
        normalization=fixed if task == "denoised" else Normalization(),
        painted=(1, 2) if task == "classes" else (),
        provenance={"images": [{"name": "cells"}], "steps": 1},
    ).changed(**changes)


def entries(model: Model | None = None) -> dict[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        (model or make())._write(archive)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, parts: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def described(folder: str = "", **values: Any) -> dict[str, bytes]:
    """A model with other values in its description."""
    parts = entries()
    name = f"{folder}model.json"
    parts[name] = json.dumps({**json.loads(parts[name]), **values}).encode()
    return parts


# ---- memory -------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*sizes: tuple[int, int]) -> bytes:
    """A black picture of the last size; its first header says the first."""
    headers = [chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) for w, h in sizes]
    w, h = sizes[-1]
    packer = zlib.compressobj(9)
    lines = [packer.compress(bytes(1 + 3 * w)) for _ in range(h)] + [packer.flush()]
    data = chunk(b"IDAT", b"".join(lines))
    return b"\x89PNG\r\n\x1a\n" + b"".join(headers) + data + chunk(b"IEND", b"")


def animation(side: int, n_frames: int) -> bytes:
    """A picture that moves."""
    buffer = io.BytesIO()
    first, *more = [Picture.new("RGB", (side, side), (i % 255, 0, 0)) for i in range(n_frames)]
    first.save(buffer, "PNG", save_all=True, append_images=more)
    return buffer.getvalue()


def giant() -> dict[str, bytes]:
    """The largest network that a recipe may ask for, with a few zeros as its weights."""
    parts = entries()
    recipe = Recipe(network={"dimensions": 3, "depth": 5, "width": 128})
    values = {**json.loads(parts["model.json"]), "recipe": recipe.model_dump()}
    return {**parts, "model.json": json.dumps(values).encode()}


def zeros(path: Path) -> Path:
    """Weights of a large network as they should be, but nothing but zeros: packed, they are few."""
    recipe = Recipe(network={"depth": 4, "width": 48})
    with torch.device("meta"):
        shapes = build_network(recipe, 1, encoding_of(recipe)).state_dict()
    parts = entries()
    values = {**json.loads(parts["model.json"]), "recipe": recipe.model_dump()}
    tensors = {k: torch.zeros(t.shape, dtype=t.dtype) for k, t in shapes.items()}
    weights = save_tensors(tensors)
    return write(path, {"model.json": json.dumps(values).encode(), "weights.safetensors": weights})


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "long description": lambda p: write(p, described(more="x" * 140 * MIB)),
    "many lists": lambda p: write(p, {"model.json": b"[" + b"[]," * (LONGEST // 3 - 2) + b"[]]"}),
    "many channels": lambda p: write(p, described(channels=[{}] * (LONGEST // 5))),
    "many images": lambda p: write(p, described(provenance={"images": [1] * (LONGEST // 4)})),
    "many parameters": lambda p: write(
        p, described(parameters={str(i): "" for i in range(LONGEST // 20)})
    ),
    "large weights": lambda p: write(p, {**entries(), "weights.safetensors": bytes(150 * MIB)}),
    "packed zeros": zeros,
    "giant network": lambda p: write(p, giant()),
    "large picture": lambda p: write(p, {**entries(), "thumbnail.png": png((7200, 7200))}),
    "two headers": lambda p: write(p, {**entries(), "thumbnail.png": png((9, 9), (7200, 7200))}),
    "animation": lambda p: write(p, {**entries(), "thumbnail.png": animation(400, 300)}),
    "many entries": lambda p: write(p, {**entries(), **{str(i): b"" for i in range(30_000)}}),
    "other packing": lambda p: write(
        p, {"model.json": bytes(140 * MIB)}, packing=zipfile.ZIP_BZIP2
    ),
}
LOADING = r"""
import re, sys
from pathlib import Path
from napari_scribe.errors import InputError
from napari_scribe.model import load_model
from napari_scribe.io.model_file import read_summary
import PIL.PngImagePlugin
status = Path("/proc/self/status")  # getrusage begins with the peak of the parent
peak = lambda: 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])
before = peak()
for path in sys.argv[1:]:
    for read in (load_model, read_summary):
        try:
            read(Path(path))
        except InputError as error:
            print(read.__name__, path, "refused:", error)
        print(read.__name__, path, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_no_small_file_costs_much_memory(tmp_path: Path) -> None:
    paths = []
    for name, create in HOSTILE.items():
        paths.append(create(tmp_path / f"{name}.zip"))
        assert paths[-1].stat().st_size < 8 * MIB, name
    command = [sys.executable, "-c", LOADING, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    refused = {p for p in paths if f"load_model {p} refused" in done.stdout}
    assert {p.stem for p in set(paths) - refused} <= {"animation"}, done.stdout
    assert int(done.stdout.split()[-1]) < LIMIT, done.stdout


# ---- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["NaN", "0", "-5", "1.5", "true", '"1"', "Infinity", "null"])
def test_versions_that_there_are_not(tmp_path: Path, version: str) -> None:
    text = entries()["model.json"].decode().replace('"version": 1', f'"version": {version}')
    path = write(tmp_path / "m.zip", {**entries(), "model.json": text.encode()})
    with pytest.raises(InputError, match=r"m\.zip is not a model"):
        load_model(path)


@pytest.mark.parametrize(
    "values",
    [
        {"offset": float("inf")},
        {"offset": 2},
        {"painted": [1e400]},
        {"channels": [-1]},
        {"channels": [float("nan")]},
        {"image_channels": 1e300},
        {"parameters": {"foreground": float("nan")}},
        {"parameters": {"foreground": 1e200}},
        {"normalization": {"low": 1, "high": 99, "floor": float("nan"), "dtype": "uint8"}},
        {"normalization": {"low": 1, "high": 99, "floor": 0, "dtype": "O"}},
        {"normalization": {"low": 1, "high": 99, "floor": 0, "dtype": "datetime64"}},
        {"normalization": {"means": [0], "deviations": [1]}},
        {"provenance": {"images": 5}},
        {"provenance": {"pairs": 5}},
        {"provenance": {"pairs": {"views": 1}}},
        {"provenance": {"best_validation": "low"}},
    ],
    ids=str,
)
def test_values_that_end_in_errors_later(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"m\.zip"):
        load_model(write(tmp_path / "m.zip", described(**values)))


def test_a_description_without_a_bottom(tmp_path: Path) -> None:
    for text in ("[" * 10**6, '{"a":' * 10**5):
        path = write(tmp_path / "m.zip", {**entries(), "model.json": text.encode()})
        with pytest.raises(InputError, match=r"m\.zip is not a model"):
            load_model(path)


def test_a_recipe_that_does_not_fit_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "m.zip", described(recipe={"network": {"width": 10**6}}))
    with pytest.raises(InputError, match=r"m\.zip: .*network.width.* 128"):
        load_model(path)


# ---- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("task", ["objects", "classes", "denoised"])
def test_weights_that_are_no_numbers(tmp_path: Path, task: str, value: float) -> None:
    model = make(task)
    weights = model.network.state_dict()
    for name, tensor in weights.items():
        if not tensor.is_floating_point():
            continue
        changed = {k: v.clone() for k, v in weights.items()}
        changed[name].view(-1)[-1] = value
        parts = {**entries(model), "weights.safetensors": save_tensors(changed)}
        with pytest.raises(InputError, match=r"m\.zip: The weights are NaN or infinite"):
            load_model(write(tmp_path / "m.zip", parts))
    model.network.load_state_dict(changed)
    with pytest.raises(InputError, match="The weights are NaN or infinite"):
        model.save(tmp_path / "new.zip")
    assert not (tmp_path / "new.zip").exists()


def test_a_negative_variance_is_no_variance(tmp_path: Path) -> None:
    weights = make().network.state_dict()
    name = next(name for name in weights if name.endswith("running_var"))
    weights[name] = weights[name] - 5
    parts = {**entries(), "weights.safetensors": save_tensors(weights)}
    with pytest.raises(InputError, match=r"m\.zip: The weights"):
        load_model(write(tmp_path / "m.zip", parts))


def test_weights_of_another_type(tmp_path: Path) -> None:
    weights = {k: v.double() for k, v in make().network.state_dict().items()}
    parts = {**entries(), "weights.safetensors": save_tensors(weights)}
    with pytest.raises(InputError, match=r"m\.zip is not a model"):
        load_model(write(tmp_path / "m.zip", parts))


# ---- a denoiser within --------------------------------------------------------------------------


def nested(outer: Model, inner: Model, folder: str = "denoiser/") -> dict[str, bytes]:
    return {**entries(outer), **{f"{folder}{k}": v for k, v in entries(inner).items()}}


def test_only_a_denoiser_goes_first(tmp_path: Path) -> None:
    noise = make("denoised")
    good = load_model(write(tmp_path / "m.zip", nested(make(), noise)))
    assert good.denoiser is not None and good.denoiser.recipe.task == "denoised"
    two = make("denoised", image_channels=2)
    wrong = [
        nested(make(), make()),
        nested(make(), make("classes")),
        nested(noise, noise),
        nested(make(image_channels=2), two),
    ]
    for parts in wrong:
        with pytest.raises(InputError, match=r"m\.zip is not a model"):
            load_model(write(tmp_path / "m.zip", parts))


def test_a_denoiser_has_none_of_its_own(tmp_path: Path) -> None:
    deep = nested(make(), make("denoised"))
    for level in range(2, 200):
        folder = "denoiser/" * level
        deep |= (
            {f"{folder}{k}": v for k, v in entries(make("denoised")).items()}
            if level < 4
            else {f"{folder}model.json": b"{}"}
        )
    model = load_model(write(tmp_path / "m.zip", deep))
    assert model.denoiser is not None and model.denoiser.denoiser is None


# ---- pictures -----------------------------------------------------------------------------------


def test_pictures_come_back_and_large_ones_do_not() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (LARGEST_SIDE, 30, 3)).astype(np.uint8)
    np.testing.assert_array_equal(from_png(to_png(pixels)), pixels)
    bmp = io.BytesIO()
    Picture.fromarray(pixels).save(bmp, "BMP")
    for data in (
        png((9, LARGEST_SIDE + 1)),
        png((0, 9)),
        png((9, 9), (9, 900)),
        bmp.getvalue(),
        b"",
    ):
        with warnings.catch_warnings(), pytest.raises(ValueError, match="PNG"):
            warnings.simplefilter("error")
            from_png(data)
