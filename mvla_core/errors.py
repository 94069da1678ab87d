"""The exception tree. Every error that a user can cause is an `MvlaError` whose text is one clear sentence.

A good message says what is wrong, where, what was expected, what was found, and what to do next. Pages show the text as it
is; the command line prints it to stderr and exits with `exit_code`. Anything that is not an `MvlaError` is a defect of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MvlaError(Exception):
    """Base of all errors that are explained to the user in one sentence."""

    exit_code = 1


class UserInputError(MvlaError):
    """A name, an option or a value that the user gave cannot be used."""

    exit_code = 2


class EpisodeError(MvlaError):
    """An episode file cannot be used.

    Attributes:
        code: Machine-readable reason, one of `mvla_core.schema.FILE_FAULTS`.
    """

    exit_code = 3

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[EpisodeError], tuple[str, str]]:
        # An exception is copied between processes by its arguments, and this one has two.
        return type(self), (self.code, str(self))


class DatasetError(MvlaError):
    """A data set as a whole cannot be used (empty, mixed action spaces, too small to split)."""

    exit_code = 3


class RecipeError(MvlaError):
    """A training recipe holds an unknown key, a value out of range, or a setting this machine cannot honour."""

    exit_code = 2


class PolicyError(MvlaError):
    """A policy cannot be built, loaded or applied (missing base weights, another action space)."""

    exit_code = 4


class JobError(MvlaError):
    """A background job cannot be queued, found, or changed."""

    exit_code = 5


class RunError(MvlaError):
    """A run folder is missing, unfinished, or lacks what was asked for."""

    exit_code = 5


class SimulationError(MvlaError):
    """A simulated world cannot be built or recorded."""

    exit_code = 6


class Stopped(MvlaError):
    """Work ended early because the user asked for it; what was finished until then is kept."""

    exit_code = 130


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known name, or an empty string where none is close."""
    close = difflib.get_close_matches(found, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
