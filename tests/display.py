"""Bring, or name, what the viewer's tests need on Linux: Xvfb and the libraries of Qt's xcb.

Run before the tests (`python tests/display.py`). On Debian and its children, as root, it installs
what is missing; elsewhere on Linux it says what is missing and fails; on macOS and Windows there is
nothing to do.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

# What is loaded, and the Debian package that holds it.
LIBRARIES = {
    "libdbus-1.so.3": "libdbus-1-3",
    "libEGL.so.1": "libegl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
# Mesa's software renderer is found by path, not by name; newer versions have one libgallium.
DRIVERS = ("dri/*_dri.so", "*/dri/*_dri.so", "libgallium*.so", "*/libgallium*.so")


def missing() -> dict[str, str]:
    """What is not there: its name and the Debian package that brings it."""
    gaps = {name: package for name, package in LIBRARIES.items() if not _loads(name)}
    if shutil.which("Xvfb") is None:
        gaps["Xvfb"] = "xvfb"
    if not _has_driver():
        gaps["Mesa's software renderer"] = "libgl1-mesa-dri"
    return gaps


def main() -> int:
    """Return 0 where the viewer's tests can run, else say why not and return 1."""
    if not sys.platform.startswith("linux"):
        return 0
    gaps = missing()
    if gaps and _may_install():
        _install(sorted(set(gaps.values())))
        gaps = missing()
    if not gaps:
        return 0
    packages = " ".join(sorted(set(gaps.values())))
    print(
        "The viewer's tests need a virtual display, and this machine lacks:\n  "
        + "\n  ".join(f"{name}  (Debian package {package})" for name, package in gaps.items())
        + f"\nOn Debian or Ubuntu: sudo apt-get install -y --no-install-recommends {packages}"
        + "\nElsewhere install the packages of your distribution that hold these files."
        + "\nThe tests without a viewer: tox -e core",
        file=sys.stderr,
    )
    return 1


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _has_driver() -> bool:
    roots = [Path("/usr/lib"), Path("/usr/lib64")]
    named = os.environ.get("LIBGL_DRIVERS_PATH")
    return named is not None or any(
        any(root.glob(pattern)) for root in roots if root.is_dir() for pattern in DRIVERS
    )


def _may_install() -> bool:
    debian = Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None
    return debian and os.geteuid() == 0


def _install(packages: list[str]) -> None:
    print("Installing for the viewer's tests:", *packages, flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-q"], install):
        # A failure shows in apt's own words, and then in what is still missing.
        subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.exit(main())
