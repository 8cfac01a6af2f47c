"""Run the command line as ``python -m napari_scribe``, which torchrun needs."""

from .cli import main

if __name__ == "__main__":
    main()
