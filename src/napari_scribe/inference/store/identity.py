"""What two calls have in common that give the same result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ...image import Image
from ...io import stamp
from ...io.origin import RUN
from ..denoise.denoised_image import DenoisedPixels
from ..source import Source


def identity_of(source: Source, maps: Sequence[str], is_quick: bool) -> str:
    """Return a text that differs for calls that may give different results.

    Of the image, shape, type, a sample of the pixels and, of one that was read from disk, size and
    time of change of its files are compared.
    """
    seen = _looked_at(source)
    image = seen.image
    region = sorted((a, s.start, s.stop) for a, s in source.region.items())
    what = (image.axes, image.shape, str(image.dtype), seen.channels, seen.statistics.digest)
    form = (is_quick, sorted(maps), str(source.dtype), image.series)
    known = repr((source.model.fingerprint(), *what, region, *form))
    call = hashlib.sha256(known.encode()).hexdigest()[:16]
    return f"{RUN}{call}-{_stamp(image)}"


def made_from_changed(one: str, other: str) -> bool:
    """Whether two identities differ only in when the files of the image were changed."""
    (call, _, changed), (other_call, _, other_changed) = (t.rpartition("-") for t in (one, other))
    return bool(call) and call == other_call and changed != other_changed


def compared(source: Source) -> str:
    """Say by what the image was found to be the same as before."""
    if _looked_at(source).image.source is None:
        return "by shape, type and a sample of the pixels"
    return "same size and time of change, and the same sample of the pixels"


def _looked_at(source: Source) -> Source:
    """What is seen before any denoiser."""
    pixels = source.image.data
    return pixels.source if isinstance(pixels, DenoisedPixels) else source


def _stamp(image: Image) -> str:
    return "" if image.source is None else stamp(image.source, image.data)
