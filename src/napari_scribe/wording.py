"""Put numbers and nouns together in messages."""

from __future__ import annotations


def counted(n: int, noun: str, ending: str = "s", none: str = "0") -> str:
    """Return a number with its noun, such as "1 channel" or "3,000 channels".

    Parameters
    ----------
    ending
        Of the plural.
    none
        What stands for 0.
    """
    number = f"{n:,}" if n else none
    return f"{number} {noun}{'' if n == 1 else ending}"


def capitalized(words: str) -> str:
    """Return words with a large first letter."""
    return words[:1].upper() + words[1:]


def is_are(n: int) -> str:
    """Return the verb that goes with a number of things."""
    return "is" if n == 1 else "are"
