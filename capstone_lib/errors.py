"""What can go wrong, by name.

Every error the library raises on purpose is a :class:`CapstoneError`. Its message says what was
seen, what was expected and what to do next.
"""

from typing import Any

__all__ = [
    "AlertError",
    "ArtifactError",
    "AuditError",
    "CapstoneError",
    "ConversionError",
    "DataError",
    "EndpointError",
    "LoadTestError",
    "MissingExtraError",
    "MonitoringError",
    "ParityError",
    "PlaybookError",
    "ReportError",
    "ReviewError",
    "RunError",
    "SchemaError",
    "SourceError",
    "StoreError",
    "TooManyRejectsError",
]


class CapstoneError(Exception):
    """The base of every error that the library raises on purpose."""


class DataError(CapstoneError, ValueError):
    """Shipped or simulated data is missing, damaged or asked for under a wrong name."""


class SchemaError(CapstoneError, ValueError):
    """Rows do not fit the schema of the model that should score them.

    ``problems`` holds them all, as :class:`capstone_lib.schema.Problem`.
    """

    def __init__(self, message: str, problems: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class ArtifactError(CapstoneError, ValueError):
    """A file is not an artifact that can be trusted."""


class ConversionError(ArtifactError):
    """A pipeline could not be converted to ONNX."""


class ParityError(ArtifactError):
    """The converted graph does not give the pipeline's answers, so no file was written.

    ``report`` is the :class:`capstone_lib.artifact.ParityReport` of the best attempt.
    """

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class SourceError(CapstoneError, ValueError):
    """A batch source cannot be read as a table."""


class StoreError(CapstoneError, RuntimeError):
    """The store cannot be opened, or is not one that this version understands."""


class AuditError(CapstoneError, RuntimeError):
    """An endpoint's answers could not all be written to the store; the message says where they are.

    ``path`` is the file that holds them, ``None`` if there is none.
    """

    def __init__(self, message: str, path: Any = None) -> None:
        super().__init__(message)
        self.path = path


class EndpointError(CapstoneError, RuntimeError):
    """An endpoint could not be started, does not answer, or refuses what it was asked.

    ``problem`` is the problem document it answered with, if there is one.
    """

    def __init__(self, message: str, problem: Any = None) -> None:
        super().__init__(message)
        self.problem = problem


class RunError(CapstoneError, RuntimeError):
    """A batch run or a notebook run failed after it had started."""


class TooManyRejectsError(RunError):
    """More rows were bad than the caller can bear: nothing was published."""


class LoadTestError(CapstoneError, RuntimeError):
    """A load test was refused, could not begin, or its load generator failed."""


class MonitoringError(CapstoneError, ValueError):
    """What is to be measured does not fit together."""


class PlaybookError(CapstoneError, ValueError):
    """A playbook is wrong; the message says in which line, and what would be right.

    ``problems`` holds every mistake as ``(line, text)``; empty if the file could not be read.
    """

    def __init__(self, message: str, problems: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class AlertError(CapstoneError, RuntimeError):
    """An alert, a ticket or a silence does not exist, or an action could not be done or undone."""


class ReportError(CapstoneError, ValueError):
    """A document is no report, or a report cannot be written where it was asked for."""


class ReviewError(CapstoneError, RuntimeError):
    """A case cannot be given, seen or decided as asked."""


class MissingExtraError(CapstoneError, ImportError):
    """An optional part of the library is used without the packages it needs."""

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"this needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'capstone-lib[{extra}]'"
        )
