"""Style what napari's themes leave alone: where keys go, main buttons, hints, cautions."""

from __future__ import annotations

from qtpy.QtGui import QColor

FOCUSED = (
    "QPushButton:focus { border: 1px solid #2f8fff; padding: 3px; }"
    "QComboBox:focus { border: 1px solid #2f8fff; padding: 2px 9px 2px 7px; }"
    "QAbstractSpinBox:focus, QLineEdit:focus, QAbstractItemView:focus"
    " { border: 1px solid #2f8fff; }"
    "QCheckBox:focus, QRadioButton:focus { color: #2f8fff; text-decoration: underline; }"
    "QTabBar::tab:selected:focus { text-decoration: underline; border: 1px solid #ffffff; }"
)
"""A style that shows where keys go, on dark and on light: the themes of napari do not."""
MAIN = '*[scribe="main"] { font-weight: bold; }'
"""A style of the main button of a step."""


def style_of(colors: dict[str, str]) -> str:
    """Return the style of a dock in the colours of a theme."""
    quiet = _mixed(colors["text"], colors["background"], 0.65)
    return (
        f'{FOCUSED} {MAIN} *[scribe="hint"] {{ color: {quiet}; }}'
        f'*[scribe="caution"] {{ color: {_caution(colors)}; }}'
    )


def _caution(colors: dict[str, str]) -> str:
    """Return the colour of warnings, darker on a light ground: its yellow is not read there."""
    is_dark = QColor(colors["background"]).lightness() < 128
    return _mixed(colors["text"], colors["warning"], 0 if is_dark else 0.6)


def _mixed(color: str, other: str, share: float) -> str:
    """Return a colour of which so much is the first one."""
    pairs = [(int(color[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)
