"""What can go wrong, as one tree. The CLI turns it into exit codes and the server into statuses, each in one place.

::

    AskanceError             anything askance says of its own accord: one message, no traceback   exit 1
    ├── UsageError           the call is wrong: an option, a name, a setting                      exit 2
    │   └── ConfigError      study.toml or a preset holds something it must not
    ├── DataError            a file that a user brought is wrong
    │   ├── FormatError      cannot be read: truncated, corrupt, not what its name says
    │   ├── GeometryError    shape, spacing or affine do not fit one another
    │   ├── LabelError       a label value or a label file is wrong
    │   └── SplitError       patients, duplicates, learn/test/validation
    ├── StudyError           the study on disk
    │   ├── StudyBusy        another process works on it
    │   ├── StudyUnreachable its database does not answer, or does not let us in
    │   ├── SourceMissing    a source file is not where it was
    │   └── SourceChanged    a source file is there, but its bytes are others
    ├── AnswerError          what an expert handed in cannot be taken
    ├── AccessError          this person may not do that
    ├── LeaseError           the slice is not in this person's hands
    ├── TrainingError        a training that cannot go on (a loss that is not a number)
    ├── WorkerLost           a piece of work lost its process or machine again and again
    └── WaitingForExpert     not a fault: the query is out and not yet answered                   exit 3

A message says what was found, what was wanted, where (path, slice id) and what to do.
"""

__all__ = [
    "OUT_OF_MEMORY",
    "AccessError",
    "AnswerError",
    "AskanceError",
    "ConfigError",
    "DataError",
    "FormatError",
    "GeometryError",
    "LabelError",
    "LeaseError",
    "SourceChanged",
    "SourceMissing",
    "SplitError",
    "StudyBusy",
    "StudyError",
    "StudyUnreachable",
    "TrainingError",
    "UsageError",
    "WaitingForExpert",
    "WorkerLost",
    "is_out_of_memory",
]


#: What is said where memory ran out, of this machine or of its graphics card.
OUT_OF_MEMORY = (
    "out of memory; make training.batch or training.crop smaller in study.toml, or the grid (--size, or a coarser "
    "--spacing, of a new study), or end other programs"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is Python's, numpy's or PyTorch's word for it; PyTorch has no class of its own for a CPU's."""
    no_class = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or no_class


class AskanceError(Exception):
    """Anything askance says of its own accord."""

    exit_code = 1


class UsageError(AskanceError):
    """The call is wrong: an option, a name, a setting."""

    exit_code = 2


class ConfigError(UsageError):
    """study.toml or a preset holds something it must not."""


class DataError(AskanceError):
    """A file that a user brought is wrong."""


class FormatError(DataError):
    """A file cannot be read: truncated, corrupt, or not what its name says."""


class GeometryError(DataError):
    """Shape, spacing or affine do not fit one another."""


class LabelError(DataError):
    """A label value or a label file is wrong."""


class SplitError(DataError):
    """Patients, duplicates, or the sets learn, test and validation."""


class StudyError(AskanceError):
    """The study on disk."""


class StudyBusy(StudyError):
    """Another process works on the study."""


class StudyUnreachable(StudyError):
    """The study's database does not answer, or does not let us in."""


class SourceMissing(StudyError):
    """A source file is not where it was."""


class SourceChanged(StudyError):
    """A source file is there, but its bytes are others."""


class AnswerError(AskanceError):
    """What an expert handed in cannot be taken."""


class AccessError(AskanceError):
    """This person may not do that."""


class LeaseError(AskanceError):
    """The slice is not in this person's hands. ``kind``: lapsed, other_tab, taken, answered or never."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class TrainingError(AskanceError):
    """A training that cannot go on."""


class WorkerLost(AskanceError):
    """A piece of work lost its process or machine again and again."""


class WaitingForExpert(AskanceError):
    """The query is out and not yet answered."""

    exit_code = 3
