"""Define the errors that a user can correct, and describe any error in words."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from .memory import is_out_of_memory


class InputError(ValueError):
    """Report bad input: the message says what was wrong and what to do about it.

    The message itself does not name options, because their names depend on how the package is
    used. The command line writes them as flags. A traceback lists them in a note.

    Parameters
    ----------
    message
        Whole sentences.
    options
        The arguments that the message is about, each with the value to give. None means any
        value. False means that the argument has to be left out.
    """

    def __init__(self, message: str = "", **options: object) -> None:
        super().__init__(message)
        self.options = options
        if options:
            words = (name if v is None else f"{name}={v!r}" for name, v in options.items())
            self.add_note(f"Options: {', '.join(words)}")


class ManyPiecesError(InputError):
    """Report that one number covers many separate pieces, each of which may be an object."""


class InUseError(InputError):
    """Report that another process works on the same output: wait for it, or stop it."""


class DamagedError(OSError):
    """Report damaged files of an earlier run, as after a power cut: write them again."""


class TakenError(InputError):
    """Report something else in the place of a result: replace it, or choose another place."""


BUGS = RecursionError, NotImplementedError
"""Kinds of `RuntimeError` that mean a bug of this program, not bad input."""
NO_MEMORY = (
    "There was not enough memory. Close other programs, or ask for less at once: a smaller tile "
    "to segment or denoise, a smaller training.patch or training.batch to train."
)


def nearest(name: str, known: Collection[str]) -> str:
    """Return a sentence with the known names that are spelt most like `name`, if there are any.

    It begins with a space, to follow another sentence.
    """
    near = get_close_matches(name, known, n=4, cutoff=0.5)
    return f" Nearest: {', '.join(near)}." if near else ""


def in_words(error: BaseException) -> str:
    """Return the message of an error in one line of whole sentences; it is never empty."""
    text = _text(error)
    # A MemoryError of this package explains itself in two sentences, one of numpy in one at most.
    is_explained = isinstance(error, MemoryError) and ". " in text
    if is_out_of_memory(error) and not is_explained:
        return NO_MEMORY
    text = text or f"{type(error).__name__}, without further words"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _text(error: BaseException) -> str:
    """Return the first line of an error's message, with the file if the system names one."""
    if isinstance(error, UnicodeEncodeError):
        near = error.object[max(0, error.start - 40) : error.end + 40]
        return f"The name {near!r} cannot be written as text: rename the file or folder"
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
