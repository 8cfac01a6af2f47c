"""The one kind of error that a user can mend."""


class InputError(ValueError):
    """Bad input: the message says what was wrong and what to do about it."""


class ManyPiecesError(InputError):
    """One number covers many separate pieces, of which each may be meant as an object."""


class InUseError(InputError):
    """Another process is at work on the same: wait for it, or stop it."""


class DamagedError(OSError):
    """What was kept on disk is damaged, as after a power cut: it has to be made again."""


class TakenError(InputError):
    """Something else lies where a result is to go: choose another place, or replace it."""
