"""Seeds of trials: a stream for each purpose, a million long, so that none meets another."""

__all__ = ["REPEATS", "SPAN", "confirming", "listed", "searching"]

SPAN = 1_000_000  # seeds that a study lists lie below it
REPEATS = 100  # seeds of one configuration, at most


def searching(configuration: int, repeat: int) -> int:
    """Seed of a configuration's trial: every configuration has its own, which all models and datasets share.

    A seed that all configurations shared would be a part of every score that no comparison of configurations can see.
    """
    return SPAN + REPEATS * configuration + repeat


def confirming(seed: int) -> int:
    """Seed of the trial that confirms a search's choice on a seed that the study lists."""
    return 2 * SPAN + seed


def listed(seed: int) -> int:
    """The seed that a study lists for one of its trials, whether it confirms a choice or not."""
    return seed % SPAN
