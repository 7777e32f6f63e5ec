"""The errors that `enas` raises on purpose.

    EnasError
    +-- UsageError            a command, flag or combination of settings that cannot be carried out
    +-- DataError             a data set that is missing, damaged or unfit
    +-- ArchitectureError     an architecture file or string that says something impossible
    +-- RunError              a run folder that is missing, occupied or damaged
    |   +-- CheckpointError   a checkpoint whose bytes or contents cannot be trusted
    +-- Interrupted           the user asked a run to stop; what it did is saved (exit status 130)

Each message is one line: what is wrong, where, and what to do. The command line prints it and exits with status 2.
"""


class EnasError(Exception):
    """Base of every error that the user can mend."""


class UsageError(EnasError):
    """A command, flag or combination of settings that cannot be carried out."""


class DataError(EnasError):
    """A data set that is missing, damaged or unfit for the task."""


class ArchitectureError(EnasError):
    """An architecture file or string that says something impossible."""


class RunError(EnasError):
    """A run folder that is missing, occupied or damaged, or cannot be written."""


class CheckpointError(RunError):
    """A checkpoint whose bytes or contents cannot be trusted."""


class Interrupted(EnasError):
    """The user asked a run to stop; what it did is saved."""
