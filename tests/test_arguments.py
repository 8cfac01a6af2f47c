"""Public functions called in the wrong way say the right form; what is plain is accepted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe.arguments import checked

PIXELS = np.random.default_rng(0).integers(0, 1000, (48, 48)).astype(np.uint16)
PAINT = np.zeros((48, 48), np.uint8)
PAINT[3:5], PAINT[10:20, 10:20], PAINT[30:40, 30:40] = 1, 2, 3
SMALL = {"network": {"width": 2, "depth": 1}, "training": {"batch": 1}}
STACK = ns.Image(np.stack([PIXELS, PIXELS[::-1]]), "TYX", name="stack")
NO_ARRAY = "no array of numbers"


@pytest.fixture(scope="module")
def model() -> ns.Model:
    return ns.run(ns.train([PIXELS], [PAINT], SMALL, steps=1, device="cpu"))


@pytest.fixture(scope="module")
def denoiser() -> ns.Model:
    recipe = ns.Recipe(task="denoised", **SMALL)
    pairs = ns.single_pairs([PIXELS])
    return ns.run(ns.train_denoiser(pairs, recipe, steps=1, device="cpu"))


@pytest.fixture
def kept(
    model: ns.Model, denoiser: ns.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Models that are kept by the names "cells" and "quiet"."""
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path))
    model.save(tmp_path / "models" / "cells.zip")
    yield denoiser.save(tmp_path / "models" / "quiet.zip")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tile": 1.5}, "tile=1.5 is not understood: give a whole number of pixels, such as 512"),
        ({"tile": "large"}, "tile='large' .* such as 512"),
        ({"part": "1/3", "out": "o.tif"}, r"part='1/3' .* such as \(1, 3\) for the first of three"),
        ({"part": (1, 2, 3), "out": "o.tif"}, r"such as \(1, 3\)"),
        ({"region": {"Y": 5}}, r"region={'Y': 5} .* as {'Y': slice\(0, 512\)}"),
        ({"region": {"Y": slice(0.5, 9)}}, r"as {'Y': slice\(0, 512\)}"),
        ({"region": slice(0, 5)}, "a slice per axis letter"),
        ({"halo": 5}, "exact or quick, not 5"),
        ({"region": {"Y": range(0, 9, 2)}}, "a slice per axis letter"),
        ({"workers": 0, "out": "o.tif"}, "0 workers do nothing"),
        ({"save": 5}, "a list of names"),
        ({"save": ["nothing"]}, "Cannot save"),
        ({"batch": [1]}, "a whole number, such as 4"),
        ({"device": 5}, "'5' cannot be used"),
        ({"out": 5}, "the path of a .tif or .zarr"),
        ({"channels": "0,2"}, r"such as \[0, 2\]"),
        ({"channels": 0}, r"such as \[0, 2\]"),
        ({"channels": [0.5]}, r"such as \[0, 2\]"),
        ({"workers": "many", "out": "o.tif"}, "workers='many'"),
        ({"scheduler": 5, "out": "o.tif"}, "an address"),
    ],
)
def test_options_of_a_run(model: ns.Model, denoiser: ns.Model, options: Any, said: str):
    with pytest.raises(ns.InputError, match=said):
        ns.segment(model, PIXELS, **{"device": "cpu", **options})
    if not set(options) & {"halo", "save"}:
        with pytest.raises(ns.InputError, match=said):
            ns.denoise(denoiser, PIXELS, **{"device": "cpu", **options})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 1.5}, "steps=1.5 .* such as 1000"),
        ({"steps": "many"}, "steps='many'"),
        ({"seconds": "1 min"}, "seconds='1 min' .* such as 60"),
        ({"recipe": 5}, "it is of type int. Give its values by name"),
        ({"recipe": {"netwrk": {}}}, "The recipe does not fit: netwrk"),
        ({"recipe": "nowhere.json"}, "Cannot read the recipe nowhere.json"),
        ({"start": 5}, "int is no model: give a Model, or the name or the path of one"),
        ({"start": PIXELS}, "ndarray is no model"),
        ({"start": "nowhere"}, "no model 'nowhere'"),
        ({"resume": "x"}, "resume is of type str: give the checkpoint of a job"),
        ({"device": "banana"}, "'banana' cannot be used"),
    ],
)
def test_options_of_a_training(options: Any, said: str):
    with pytest.raises(ns.InputError, match=said):
        ns.train([PIXELS], [PAINT], **{"recipe": SMALL, "steps": 1, **options})
    with pytest.raises(ns.InputError, match=said):
        ns.train_denoiser(STACK, **{"steps": 1, **options})


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "an image for a list": (lambda: ns.train(PIXELS, PAINT), "Give lists, even for one image"),
    "paint for a list": (lambda: ns.train([PIXELS], PAINT), "Give lists, even for one image"),
    "denoiser": (lambda: ns.train([PIXELS], [PAINT], denoiser=5), "int is no model"),
    "no paint": (lambda: ns.train([PIXELS], [None]), NO_ARRAY),
    "no model": (lambda: ns.segment(None, PIXELS), "NoneType is no model"),
    "the other way round": (lambda: ns.segment(PIXELS, ns.Recipe()), "ndarray is no model"),
    "load_model": (lambda: ns.load_model(5), "the name or the path of a model"),
    "read_image": (lambda: ns.read_image(5), "path=5 .* the path of a file or a folder"),
    "level": (lambda: ns.read_image("a.tif", level="first"), "0 for the full resolution"),
    "axes": (lambda: ns.read_image("a.tif", axes=5), "letters of TCZYX"),
    "run": (lambda: ns.run(5), "int is no job to run"),
    "evaluate": (lambda: ns.evaluate(None, PAINT), NO_ARRAY),
    "slices": (lambda: ns.evaluate(PAINT, PAINT, slices="all"), "slices='all' .* True or False"),
    "evaluate_classes": (lambda: ns.evaluate_classes(PAINT, None), NO_ARRAY),
    "channel of a map": (
        lambda: ns.evaluate_probability(PIXELS / 1000, PAINT, channel="red"),
        "the number of a channel",
    ),
    "threshold": (
        lambda: ns.evaluate_probability(PIXELS / 1000, PAINT, threshold="half"),
        "a number from 0 to 1",
    ),
    "pieces": (lambda: ns.measure(PAINT, pieces="each"), "True if each piece is an object"),
    "remedies": (
        lambda: ns.apply_remedies(ns.frame_pairs(STACK), ns.check_pairs(STACK), 5),
        r"such as \['register', 'match'\]",
    ),
    "one object size": (lambda: ns.segment("cells", PIXELS, object_size="big"), "a diameter"),
    "compare": (lambda: ns.compare(PAINT, PAINT, slices=2), "slices=2 .* True or False"),
    "seam test": (lambda: ns.seam_test("cells", PIXELS, tile="all"), "tile='all'"),
    "removed": (lambda: ns.check_removed(PIXELS, PIXELS, seed="x"), "seed='x'"),
    "evaluate_images": (lambda: ns.evaluate_images(PIXELS, None), NO_ARRAY),
    "peak": (lambda: ns.evaluate_images(PIXELS, PIXELS, peak="white"), "peak='white'"),
    "check_pairs": (lambda: ns.check_pairs(5), NO_ARRAY),
    "seed": (lambda: ns.check_pairs(STACK, seed="x"), "seed='x'"),
    "how": (lambda: ns.frame_pairs(STACK, "some"), "consecutive, even-odd, near, all, not 'some'"),
    "dimensions": (lambda: ns.frame_pairs(STACK, dimensions=4), "dimensions=4 .* 2 or 3"),
    "axis": (lambda: ns.frame_pairs(STACK, axis=0), "a letter, such as 'T'"),
    "file_pairs": (lambda: ns.file_pairs(PIXELS), "Give a list of images"),
    "channel": (lambda: ns.channel_pairs(STACK, "red", 1), "the number of a channel"),
    "layer_pairs": (lambda: ns.layer_pairs(PIXELS, None), NO_ARRAY),
    "single_pairs": (lambda: ns.single_pairs(None), NO_ARRAY),
    "slice_pairs": (lambda: ns.slice_pairs(STACK, channels="all"), r"such as \[0, 2\]"),
    "train_denoiser": (lambda: ns.train_denoiser(None), NO_ARRAY),
    "Paint": (lambda: ns.Paint(None), NO_ARRAY),
    "complete": (lambda: ns.Paint(PAINT, complete=5), "True, or a list of boxes such as"),
    "one box": (lambda: ns.Paint(PAINT, complete=[(0, 5), (0, 6)]), "a list of boxes such as"),
    "paint axes": (lambda: ns.Paint(PAINT, axes="QQ"), "use letters of TCZYX"),
    "from_mask": (lambda: ns.Paint.from_mask(None), NO_ARRAY),
    "scale": (lambda: ns.Image(PIXELS, scale=0.5), "Give the scale of image per axis letter"),
    "image axes": (lambda: ns.Image(PIXELS, 5), "Axes '5' of image: use letters"),
    "task": (lambda: ns.Recipe(task="cells"), "The recipe does not fit"),
    "network": (lambda: ns.Recipe(network=5), "The recipe does not fit: network"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_say_the_right_form(case: str):
    call, said = WRONG[case]
    with pytest.raises(ns.InputError, match=said):
        call()


def test_what_is_plain_is_accepted(kept: Path, model: ns.Model):
    plain = ns.run(ns.segment(model, PIXELS, device="cpu"))
    for given in ("cells", kept.with_name("cells.zip"), str(kept.with_name("cells.zip"))):
        found = ns.run(
            ns.segment(given, PIXELS.tolist(), channels=np.array([0]), tile=np.int64(16))
        )
        np.testing.assert_array_equal(found, plain)
    assert ns.run(ns.segment(model, PIXELS, save="labels, probability")).shape == (48, 48)
    for part in ({"Y": (0, 16)}, {"Y": slice(np.int64(0), np.int64(16))}, {"Y": range(16)}):
        assert ns.run(ns.segment(model, PIXELS, region=part)).shape == (16, 48)
    assert ns.run(ns.denoise("quiet", PIXELS)).shape == (48, 48)
    assert ns.run(ns.train([PIXELS], [PAINT], start="cells", steps=1.0)).painted == model.painted
    assert ns.run(ns.train([PIXELS], [PAINT], SMALL, denoiser="quiet", steps=1)).denoiser
    assert ns.run(ns.train_denoiser(ns.single_pairs([PIXELS]), start="quiet", steps=1))
    assert ns.check_pairs(STACK).n_pairs == 1


def test_every_public_function_checks_its_arguments():
    functions = [f for f in (getattr(ns, name) for name in ns.__all__) if inspect.isfunction(f)]
    unchecked = {f.__name__ for f in functions if not hasattr(f, "__wrapped__")}
    assert unchecked == {"run"}, "run says itself what is no job"


def test_the_annotation_decides_whether_an_argument_is_checked():
    class Pointer: ...

    @checked
    def function(first: int, second: Pointer | str, seed: list[int] | None = None) -> Any:
        return first, second, seed

    assert function(np.int64(1), "anything", [1, 2]) == (1, "anything", [1, 2])
    with pytest.raises(ns.InputError, match="first=None"):
        function(None, 2)


def test_yes_and_no_of_numpy_are_accepted():
    assert ns.evaluate(PAINT, PAINT, pieces=np.bool_(False)).n_true == 3


def test_newer_paint_may_be_arrays_or_paths(tmp_path: Path):
    job = ns.train([PIXELS], [PAINT], SMALL, steps=2, device="cpu")
    path = tmp_path / "paint.npy"
    np.save(path, PAINT[None])
    for paint in (PAINT, PAINT.tolist(), path, ns.Paint(PAINT)):
        job.update_paint([paint])
        assert job.take_paint()[0].array.shape == (48, 48)
    for wrong in (PAINT, [PAINT, PAINT], None):
        with pytest.raises(ns.InputError, match=r"for each of 1 image: update_paint\(\[paint\]\)"):
            job.update_paint(wrong)
