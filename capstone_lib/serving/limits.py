"""The bounds of an endpoint: what it accepts, and how long it works on it."""

from dataclasses import dataclass, fields

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """The bounds within which an endpoint promises an answer; beyond them it refuses at once.

    Attributes
    ----------
    max_in_flight : int
        Requests accepted and not answered yet. One more is turned away with status 503: a queue
        that grows would make everyone late.
    max_connections : int
        Open connections, idle ones too. One more is told 503 and closed. Keep it below the number
        of files that the process may open (``ulimit -n``).
    max_body_bytes : int
        The largest request body; a larger one gets status 413.
    max_rows : int
        The most rows in one request.
    timeout_s : float
        How long a request may take from its first byte, in seconds: a body that does not arrive in
        time gets status 408, an answer that is not found in time 503.
    log_capacity : int
        Answers that may wait to be written to the store. With a full log no request is accepted,
        because its answer could not be remembered.
    """

    max_in_flight: int = 256
    max_connections: int = 800
    max_body_bytes: int = 1_000_000
    max_rows: int = 4096
    timeout_s: float = 10.0
    log_capacity: int = 50_000

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ValueError(f"{item.name} must be a positive number; seen {value!r}")
