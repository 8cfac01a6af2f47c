"""Numbers and nouns agree in messages."""

from __future__ import annotations

import pytest

from napari_scribe.wording import counted, is_are


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, "0 classes"), (1, "1 class"), (2, "2 classes"), (3000, "3,000 classes")],
)
def test_a_number_has_its_noun(n: int, said: str) -> None:
    assert counted(n, "class", "es") == said


def test_nothing_may_have_a_word() -> None:
    assert counted(0, "object", none="no") == "no objects"
    assert [is_are(n) for n in (0, 1, 2)] == ["are", "is", "are"]
