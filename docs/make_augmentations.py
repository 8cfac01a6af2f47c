"""Draw what each augmentation does: image, paint and weights side by side, in one picture.

The strongest of some random draws is shown. Takes some seconds: python docs/make_augmentations.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from torch import Tensor

import napari_scribe as ns
from napari_scribe.normalization import Normalization
from napari_scribe.recipe import Augmentation
from napari_scribe.samples import nuclei, simulate_paint
from napari_scribe.targets import paint_encoding_of
from napari_scribe.training.augment import change_intensity, sample_at, warp_fields
from napari_scribe.training.regions import Layout, RegionLoader

OUT = Path(__file__).parent / "images" / "augmentations.png"
STILL = {
    "flip": False, "rotation": 0, "scaling": 1, "elastic": 0, "brightness": 0, "contrast": 1,
    "gamma": 1, "noise": 0, "blur": 0,
}  # fmt: skip
IN_A_PLANE = [
    {}, {"flip": True}, {"rotation": 45}, {"scaling": 2}, {"shear": 40},
    {"elastic": 8, "elastic_grid": 24}, {"invert": 1}, {"brightness": 0.6}, {"contrast": 4},
    {"gamma": 4}, {"background": 2}, {"noise": 0.5}, {"blur": 4}, {"cutout": 60},
]  # fmt: skip
IN_A_VOLUME = [{}, {"misalignment": 12}, {"blurred_section": 6}, {"missing_section": 1}]
SIDE, DEPTH = 96, 24
N_DRAWS = 64
COLUMNS = 3
GAP, LINE = 8, 16
COLOURS = np.array(
    [[25, 25, 25], [120, 80, 50], [86, 180, 233], [230, 159, 0], [0, 158, 115], [240, 228, 66],
     [204, 121, 167], [213, 94, 0]], np.uint8,
)  # fmt: skip
"""Colours of what is not painted, of background, and of objects."""

Panel = npt.NDArray[np.uint8]


def main() -> None:
    plane, volume = Sample.of((SIDE, SIDE), seed=11), Sample.of((DEPTH, SIDE, SIDE), seed=3)
    cells = [(title(changes, "as it is"), plane.panels(changes)) for changes in IN_A_PLANE]
    cells += [
        (title(changes, "a volume, Z down, X right"), volume.panels(changes))
        for changes in IN_A_VOLUME
    ]
    OUT.parent.mkdir(exist_ok=True)
    mosaic(cells).quantize(160, dither=Picture.Dither.NONE).save(OUT, optimize=True)
    print(f"{OUT}: {OUT.stat().st_size / 1000:.0f} kB")


@dataclass(frozen=True)
class Sample:
    """Hold a painted image as a training has it."""

    layout: Layout
    smooth: Tensor
    exact: Tensor
    paint: Tensor

    @classmethod
    def of(cls, shape: tuple[int, ...], seed: int) -> Sample:
        """Make nuclei, some of them painted, and prepare them as a training does."""
        made = nuclei(shape, seed)
        paint = simulate_paint(made.truth, 5, 3, seed)
        image = ns.Image(made.image, "ZYX"[-len(shape) :])
        recipe = ns.Recipe(network={"dimensions": len(shape)})
        encoding = paint_encoding_of(recipe)
        normal = [Normalization().measure(image)]
        load = RegionLoader([image], (0,), normal, encoding, recipe, torch.device("cpu")).load
        (region,) = load([ns.Paint(paint)])
        exact = region.exact if region.held_exact is None else region.exact + region.held_exact
        paint = torch.from_numpy(paint.astype(np.float32))[None]
        return cls(Layout(encoding, 1), region.smooth, exact, paint)

    def panels(self, changes: dict[str, float]) -> list[Panel]:
        """Return image, paint and weights of a patch, after the strongest of some changes."""
        recipe, shape = Augmentation(**{**STILL, **changes}), self.paint.shape[1:]
        generator = torch.Generator().manual_seed(0)
        still = warp_fields(1, shape, Augmentation(**STILL), generator)
        warps = warp_fields(N_DRAWS, shape, recipe, generator)
        strength = (warps - still).flatten(1, -2).std(dim=1).sum(dim=1)
        places = warps[strength.argmax()] + (torch.tensor(shape) - 1) / 2
        pixels, _, weights = self.layout.cut(self.smooth, self.exact, places, [0] * len(shape))
        patches = change_intensity(pixels.repeat(N_DRAWS, *[1] * pixels.ndim), recipe, generator)
        pixels = patches[(patches - pixels).abs().flatten(1).mean(dim=1).argmax()]
        paint = sample_at(self.paint, places, "nearest", "zeros")
        weights = weights[0] / self.exact[0].max()
        return [
            grey(self.plane(pixels[0])),
            colours(self.plane(paint[0])),
            grey(self.plane(weights)),
        ]

    def plane(self, values: Tensor) -> Tensor:
        """Cut a volume along Z and X where most is painted; its slices are four pixels thick."""
        if values.ndim == 2:
            return values
        y = int((self.paint[0] > 1).sum(dim=(0, 2)).argmax())
        return values[:, y].repeat_interleave(SIDE // DEPTH, dim=0)


def grey(values: Tensor) -> Panel:
    shown = (255 * values.clamp(0, 1)).round().to(torch.uint8).numpy()
    return np.repeat(shown[..., None], 3, axis=2)


def colours(paint: Tensor) -> Panel:
    label = paint.numpy().astype(int)
    return COLOURS[np.where(label > 1, 2 + (label - 2) % (len(COLOURS) - 2), label)]


def title(changes: dict[str, float], nothing: str) -> str:
    return ", ".join(f"{name} = {value}" for name, value in changes.items()) or nothing


def mosaic(cells: list[tuple[str, list[Panel]]]) -> Picture.Image:
    """Lay out cells: a title, and three panels below it."""
    width, height = 3 * SIDE + 2 + 2 * GAP, SIDE + LINE + GAP
    rows = -(-len(cells) // COLUMNS)
    picture = Picture.new("RGB", (COLUMNS * width, rows * height + GAP), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=11)
    for i, (text, panels) in enumerate(cells):
        left, top = i % COLUMNS * width + GAP, i // COLUMNS * height + GAP
        pen.text((left, top), text, fill="black", font=font)
        for k, panel in enumerate(panels):
            picture.paste(Picture.fromarray(panel), (left + k * (SIDE + 1), top + LINE))
    return picture


if __name__ == "__main__":
    main()
