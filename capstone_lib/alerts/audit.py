"""The human audit that an alert asks for: a sample of the group concerned in the review queue."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from capstone_lib.errors import AlertError
from capstone_lib.store import Store

if TYPE_CHECKING:
    from capstone_lib.artifact import Artifact

__all__ = ["AUDITED", "begin_audit", "of_group", "withdraw_cases"]

AUDITED = 50
"""Cases of the group that an audit puts into the review queue, with as many of others."""


def begin_audit(
    alert: Mapping[str, Any], store: Store, *, artifact: "Artifact | None", source: Any
) -> tuple[str, dict[str, Any]]:
    """Fill the review queue from the window that raised the alert; doing so twice adds no case.

    Raises
    ------
    AlertError
        If the artifact is not there, or is another than the one the alert speaks of.
    ReviewError
        If there are no answers that a person could look at.
    """
    whose = (alert["model"], alert["version"])
    if artifact is None or (artifact.name, artifact.version) != whose:
        raise AlertError(
            f"an audit needs the artifact of {' '.join(whose)}; run capstone monitor with it, or "
            "give act(..., artifact=)"
        )
    from capstone_lib.review import ReviewQueue

    cause = alert["measurements"][0]
    added = ReviewQueue(store).fill_audit(
        artifact=artifact,
        alert_id=alert["alert_id"],
        group=alert["group"],
        n=AUDITED,
        source=source,
        window=(cause["window_start"] or None, cause["window_end"] or None),
        traffic=alert["traffic"],
    )
    if not added:  # put there by a run that died before it could say so
        return f"the cases{of_group(alert)} are in the review queue already", {}
    return f"{added} cases{of_group(alert)} are in the review queue", {"cases": added}


def withdraw_cases(connection: Connection, alert_id: str) -> str:
    """Take an audit's cases out of the queue, but for those that somebody has or has judged."""
    from capstone_lib.review.desk import withdraw

    gone = withdraw(connection, alert_id, at=time.time())
    return f"{gone} cases that nobody had looked at are out of the review queue"


def of_group(alert: Mapping[str, Any]) -> str:
    """Whom it is about, to stand after *cases*; an audit looks at others beside the group."""
    return f" of {alert['group']} and of others" if alert["group"] else ""
