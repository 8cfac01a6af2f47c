"""Compare places that are doubtful with random objects: how many of ten have a mistake?

Images are segmented with a model. What is wrong with the result, as the truth says, is a mistake:
an object that is split, merged, missing or false, at an IoU of .5. A place, or the innermost pixel
of an object, hits if it lies in an object that is part of a mistake. Images without any mistake are
left out: nothing can be found there.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from common import machine, parser, read_pairs
from scipy import ndimage

import napari_scribe as ns
from napari_scribe.inference.decoding import maps_to_decode
from napari_scribe.samples.corrections import find_corrections
from napari_scribe.session.doubtful import doubtful_places

FOLDERS = ("dsb2018/val", "tissue_dapi")


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--model", default="nuclei")
    arguments.add_argument("--folders", nargs="+", default=FOLDERS)
    arguments.add_argument("--images", type=int, default=8, help="of each folder, spread over it")
    arguments.add_argument("--places", type=int, default=10)
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()

    model = ns.load_model(chosen.model)
    print(f"{machine()}; {model.name}, the first {chosen.places} places of each image")
    rows = []
    for folder in chosen.folders:
        pairs = read_pairs(chosen.data / folder)
        names = list(pairs)[:: max(1, len(pairs) // chosen.images)][: chosen.images]
        of_folder = [row for n in names if (row := _row(model, f"{folder}/{n}", *pairs[n], chosen))]
        _say(folder, of_folder)
        rows += of_folder
    _say("all", rows)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))


def _row(model, name, image, truth, chosen):
    """Return what is hit in one image; None where nothing is wrong."""
    save = ("labels", *maps_to_decode(model))
    job = ns.segment(model, ns.Image(image, "YX"), save=save, device=chosen.device)
    labels = np.asarray(ns.run(job))
    mistakes = find_corrections(labels, truth)
    if not mistakes:
        return None
    places = doubtful_places(model, job.maps, labels, chosen.places)
    hits = [_hit(place.position, labels, truth, mistakes) for place in places]
    objects = [_hit(at, labels, truth, mistakes) for at in _innermost(labels)]
    row = {
        "image": name,
        "objects": len(objects),
        "mistakes": len(mistakes),
        "places": len(places),
        "hits": sum(map(bool, hits)),
        "found": len(set().union(*hits)),
        "chance": float(np.mean([bool(hit) for hit in objects])) if objects else 0.0,
        "reasons": [(place.reason, bool(hit)) for place, hit in zip(places, hits, strict=True)],
    }
    print(
        f"  {name[:44]}: {row['objects']} objects, {row['mistakes']} mistakes; "
        f"{row['hits']} of {row['places']} places hit, random objects {row['chance']:.2f}",
        flush=True,
    )
    return row


def _hit(position, labels, truth, mistakes):
    """Return the mistakes at a pixel, by their index."""
    predicted, true = labels[position], truth[position]
    return {i for i, m in enumerate(mistakes) if predicted in m.predicted or true in m.true}


def _innermost(labels):
    """Return the innermost pixel of each object."""
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        depth = ndimage.distance_transform_edt(np.pad(labels[box] == number, 1))
        at = np.unravel_index(depth.argmax(), depth.shape)
        yield tuple(int(i) - 1 + s.start for i, s in zip(at, box, strict=True))


def _say(title, rows):
    if not rows:
        return
    n_places, hits = sum(r["places"] for r in rows), sum(r["hits"] for r in rows)
    # A random object for each place, so that images weigh the same on both sides.
    chance = sum(r["places"] * r["chance"] for r in rows) / max(n_places, 1)
    found, mistakes = sum(r["found"] for r in rows), sum(r["mistakes"] for r in rows)
    print(
        f"{title}, {len(rows)} images with mistakes: {hits} of {n_places} places hit "
        f"({hits / max(n_places, 1):.2f}), random objects {chance:.2f}; "
        f"{found} of {mistakes} mistakes found"
    )
    reasons = sorted({reason for r in rows for reason, _ in r["reasons"]})
    for reason in reasons:
        of_it = [hit for r in rows for other, hit in r["reasons"] if other == reason]
        print(f"    {reason}: {sum(of_it)} of {len(of_it)}")


if __name__ == "__main__":
    main()
