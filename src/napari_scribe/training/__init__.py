"""Train networks. This file loads no torch, so that the command line may read it."""

CHECKPOINT_EVERY = 60.0
"""Seconds from one checkpoint to the next, if nothing else is asked for."""
