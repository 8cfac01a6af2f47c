"""Measure the checkerboard of each kind of upsampling, print the table, and draw the picture.

``python docs/make_checkerboard.py`` writes docs/images/checkerboard.png; ``--steps 0`` leaves the
training out. A checkerboard repeats with the network's stride, so its power lies at the frequencies
that are multiples of 1 / stride: each of these lines is compared with the frequencies around it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

import napari_scribe as ns
from napari_scribe.networks import UNet
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei

UPSAMPLINGS = "transposed", "nearest", "bilinear", "bicubic"
APART = "each at random"
"""A transposed convolution whose positions each begin with random weights of their own."""
SIDE = 256
AROUND = 5
"""Frequencies to either side that the power of a line is compared with."""
Pixels = npt.NDArray[np.float64]


def spectrum(answer: Pixels) -> Pixels:
    """Return the power at each frequency of a square answer; 0 is the first."""
    window = np.hanning(len(answer))
    answer = (answer - answer.mean()) * np.outer(window, window)
    return np.asarray(np.abs(np.fft.fft2(answer)) ** 2)


def prominence(answer: Pixels, stride: int) -> float:
    """Return how many times as much power lies at multiples of 1 / stride as around them.

    The median over these frequencies is meant: 1 without a checkerboard.
    """
    power = spectrum(answer)
    size = 2 * AROUND + 1
    around = ndimage.median_filter(power, size=size, mode="wrap")
    step = len(answer) // stride
    lines = [(a, b) for a in range(0, len(answer), step) for b in range(0, len(answer), step)]
    return float(np.median([power[at] / around[at] for at in lines[1:]]))


def answer_of(network: UNet, pixels: Pixels) -> Pixels:
    """Return the first logit of a network in the middle of an image, without its borders."""
    around = (len(pixels) - SIDE) // 2
    with torch.inference_mode():
        x = torch.from_numpy(pixels[np.newaxis, np.newaxis]).float()
        answer: Pixels = network.eval()(x)[0, 0].double().numpy()
    return answer[around : around + SIDE, around : around + SIDE]


def untrained(upsampling: str, seed: int) -> UNet:
    """Return a network with random weights."""
    torch.manual_seed(seed)
    kind = "transposed" if upsampling == APART else upsampling
    network = UNet(Recipe(network={"upsampling": kind}).network, 1, 1)
    if upsampling == APART:
        for module in network.modules():
            if isinstance(module, torch.nn.ConvTranspose2d):
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network


def trained(upsampling: str, steps: int, seed: int) -> UNet:
    """Return a network that has learnt the foreground of nuclei for a short time."""
    sample = nuclei((SIDE, SIDE), seed=100)
    recipe = Recipe().changed({"network.upsampling": upsampling, "training.seed": seed})
    model = ns.run(ns.train([sample.image], [sample.paint], recipe, steps=steps, device="cpu"))
    assert isinstance(model.network, UNet)
    return model.network


def main() -> None:
    """Read the options, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=20, help="random networks of each kind")
    parser.add_argument("--steps", type=int, default=150, help="steps to train")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each kind")
    parser.add_argument("--out", type=Path, default=Path("docs/images/checkerboard.png"))
    options = parser.parse_args()
    side = SIDE + 2 * max(untrained(name, 0).geometry[0].halo for name in UPSAMPLINGS)
    sample = nuclei((side, side), seed=7).image.astype(float)
    image = (sample - sample.min()) / np.ptp(sample)
    even = np.full((side, side), 0.5)
    print("| upsampling | even image: deviation | random weights: lines | trained: lines |")
    print("|---|---|---|---|")
    shown = {}
    for name in (APART, *UPSAMPLINGS):
        networks = [untrained(name, seed) for seed in range(options.networks)]
        flat = [answer_of(network, even) for network in networks]
        deviation = np.median([f.std() / np.abs(f).mean() for f in flat])
        lines = [prominence(answer_of(n, image), n.geometry[0].stride) for n in networks]
        learnt = []
        is_trained = options.steps and name != APART
        for seed in range(options.seeds if is_trained else 0):
            network = trained(name, options.steps, seed)
            answer = answer_of(network, image)
            learnt.append(prominence(answer, network.geometry[0].stride))
            shown[name] = [answer_of(networks[0], image), answer]
        said = f"{np.median(learnt):.1f}" if learnt else "-"
        print(f"| {name} | {deviation:.1e} | {np.median(lines):.1f} | {said} |", flush=True)
        shown.setdefault(name, [answer_of(networks[0], image)])
    draw(shown, options.out)


def draw(shown: dict[str, list[Pixels]], path: Path) -> None:
    """Draw a corner of each answer above its spectrum."""
    from matplotlib.figure import Figure
    from PIL import Image as Picture

    n = max(map(len, shown.values()))
    figure = Figure(figsize=(2.1 * len(shown), 4.4 * n))
    titles = ["random weights", "trained"]
    axes = figure.subplots(2 * n, len(shown), squeeze=False)
    for column, (name, answers) in enumerate(shown.items()):
        for row, answer in enumerate(answers):
            corner = answer[96:160, 96:160]
            power = np.fft.fftshift(np.log10(spectrum(answer) + 1e-12))
            axes[2 * row, column].imshow(corner, cmap="gray")
            limits = np.percentile(power, [20, 99.9])
            axes[2 * row + 1, column].imshow(power, cmap="magma", vmin=limits[0], vmax=limits[1])
            axes[2 * row, column].set_title(f"{name}, {titles[row]}", fontsize=8)
    for ax in axes.flat:
        ax.set_axis_off()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    with Picture.open(path) as picture:
        small = picture.convert("RGB").quantize(64)  # a third of the bytes
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
