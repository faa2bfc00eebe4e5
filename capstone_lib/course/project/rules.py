"""The project's playbook: rules that every project needs, and a place for the student's own."""

from typing import TYPE_CHECKING, Any

from capstone_lib.alerts import Playbook

if TYPE_CHECKING:
    from capstone_lib.course.project.project import Project

__all__ = ["playbook_text", "read_rules"]

_BASE = """\
# The playbook of the project {name}: which numbers are an alert, and what is done then.
# Written by notebook 08; the rules at its end are the student's own.

sla_ms = {sla_ms:g}

[[rule]]
name = "feature_drift"
measurement = "drift_is_large"
feature = "*"
but_not = ["score", "label"]
threshold = 1
min_n = {min_n}
severity = "critical"
actions = ["ticket", "pause_rollout"]
owner = "data team"
why = "Cases come that are unlike those the model was made for, or data break on the way."
what_to_do = "Is it the world, the coding or the pipeline? Look at the column's shares."

[[rule]]
name = "prediction_shift"
measurement = "drift_is_large"
feature = "score"
threshold = 1
min_n = {min_n}
severity = "warning"
actions = ["ticket"]
owner = "model owner"
why = "The model says something else of cases than it did."
what_to_do = "If columns drift too, begin there."

[[rule]]
name = "late_batch"
measurement = "freshness"
comparison = ">"
threshold = {late_days:g}
severity = "critical"
actions = ["ticket"]
owner = "platform team"
why = "No batch has been published for longer than it should take."
what_to_do = "Start the run again; the last failure is in the store's runs."

[[rule]]
name = "slow_answers"
measurement = "latency_p99"
traffic = "live"
comparison = ">"
use = "low"
threshold = {sla_ms:g}
severity = "warning"
actions = ["scale_up"]
owner = "platform team"
why = "One answer in a hundred is slower than was promised."
what_to_do = "See whether the load has grown."
"""


def playbook_text(
    project: "Project", own_rule: Any = ..., *, sla_ms: float = 100.0, late_days: float = 35.0
) -> str:
    """The playbook as TOML: the base, and after it the student's own rules.

    Parameters
    ----------
    project : Project
        Its windows say how many rows a rule may wait for.
    own_rule : str or ...
        TOML that begins with ``[[rule]]``; ``...`` is none yet.
    sla_ms : float
        Within how many milliseconds an answer should come.
    late_days : float
        After how many days a batch is late.
    """
    smallest = min(len(one.rows) for one in project.windows)
    base = _BASE.format(
        name=project.name, sla_ms=sla_ms, late_days=late_days, min_n=min(500, smallest // 2)
    )
    return f"{base}\n{own_rule.strip()}\n" if isinstance(own_rule, str) else base


def read_rules(text: str) -> Playbook:
    """Read rules from text, refused as :func:`capstone_lib.load_playbook` refuses a file.

    Raises
    ------
    PlaybookError
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from capstone_lib.alerts import load_playbook

    with TemporaryDirectory() as folder:
        path = Path(folder, "playbook.toml")
        path.write_text(text, encoding="utf-8")
        return load_playbook(path)
