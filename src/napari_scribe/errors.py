"""Define the errors that a user can mend, and put others into words."""

from __future__ import annotations

from .memory import is_out_of_memory


class InputError(ValueError):
    """Report bad input: the message says what was wrong and what to do about it.

    The message does without names of options, which differ from one way of use to the other: the
    command line writes them as flags, a traceback lists them in a note.

    Parameters
    ----------
    message
        Whole sentences.
    options
        The arguments that the message is about, each with the value to give; None where that is
        any, False where it is to be left out.
    """

    def __init__(self, message: str = "", **options: object) -> None:
        super().__init__(message)
        self.options = options
        if options:
            words = (name if v is None else f"{name}={v!r}" for name, v in options.items())
            self.add_note(f"Options: {', '.join(words)}")


class ManyPiecesError(InputError):
    """Report one number on many separate pieces, of which each may be meant as an object."""


class InUseError(InputError):
    """Report that another process is at work on the same: wait for it, or stop it."""


class DamagedError(OSError):
    """Report damaged files of an earlier run, as after a power cut: they have to be made again."""


class TakenError(InputError):
    """Report something else where a result is to go: choose another place, or replace it."""


BUGS = RecursionError, NotImplementedError
"""Errors of this program itself, although they are kinds of `RuntimeError`."""
NO_MEMORY = (
    "There was not enough memory. Close other programs, or ask for less at once: a smaller tile "
    "to segment or denoise, a smaller training.patch or training.batch to train."
)


def in_words(error: BaseException) -> str:
    """Return what an error says, in one line of whole sentences, which is never empty."""
    text = _text(error)
    # The texts of this package have two sentences; those of Python and numpy have one at most.
    is_explained = isinstance(error, MemoryError) and ". " in text
    if is_out_of_memory(error) and not is_explained:
        return NO_MEMORY
    text = text or f"{type(error).__name__}, without further words"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _text(error: BaseException) -> str:
    """Return the first line of what an error says, and the file where the system names one."""
    if isinstance(error, UnicodeEncodeError):
        near = error.object[max(0, error.start - 40) : error.end + 40]
        return f"The name {near!r} cannot be written as text: rename the file or folder"
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
