"""Of the decision: does the advice follow from what was measured, who decides, and the report."""

import math
import re

from capstone_lib.course.project.claims import read_bytes, read_claim
from capstone_lib.course.project.desk import Desk
from capstone_lib.course.project.verdict import Verdict

__all__ = ["check_advice", "check_decision", "check_report"]

_LARGEST_REPORT = 50_000_000
_LEAST_WORDS = 12
_ELSEWHERE = re.compile(
    r"""<(?:img|script|link|iframe|source|object|embed)\b[^>]*\b(?:src|href|data)\s*=\s*["']?"""
    r"""(?:https?:)?//""",
    re.IGNORECASE,
)


def check_advice(desk: Desk) -> Verdict:
    """The advice follows from the case, and the case from what was measured."""
    from capstone_lib.decide import UseCase, advise

    claimed = read_claim(desk.folder / "decision.json", "case", "architecture")
    case = UseCase(**claimed["case"])
    again = advise(case).architecture
    if again != claimed["architecture"]:
        return Verdict(
            0, f"it says {claimed['architecture']!r:.40}, and its own case leads to {again!r}",
            "write what cap.advise says of this case",
        )  # fmt: skip
    answers = [desk.stored(one)["review"] for one in desk.project.windows]
    n_rows = sum(map(len, answers))
    measured = sum(float(one.sum()) for one in answers) / n_rows if n_rows else math.nan
    if not abs(case.review_share - measured) <= 0.01:
        return Verdict(
            0.5, f"review_share is {case.review_share:.3f}, and the store says {measured:.3f}",
            "take it from the predictions in the store",
        )  # fmt: skip
    return Verdict(1, f"{again}, from a review share of {measured:.3f}, which the store has")


def check_decision(desk: Desk) -> Verdict:
    """The student's own decision, with a reason and what would change it."""
    from capstone_lib.decide.checklist import ARCHITECTURES

    own = read_claim(desk.folder / "decision.json").get("own")
    if own is None:
        return Verdict(None, "no decision of your own is in decision.json", "decide: exercise 08.3")
    texts = {key: own.get(key) for key in ("architecture", "because", "would_change")}
    if not all(isinstance(text, str) for text in texts.values()):
        return Verdict(0, "own lacks architecture, because or would_change", "decide again")
    if texts["architecture"] not in ARCHITECTURES:
        return Verdict(0, f"{texts['architecture']!r:.40} is none of {', '.join(ARCHITECTURES)}",
                       "choose one of them")  # fmt: skip
    words = len(str(texts["because"]).split())
    if words < _LEAST_WORDS or not re.search(r"\d", str(texts["because"])):
        cure = f"argue in {_LEAST_WORDS} words or more, with a figure you measured"
        return Verdict(0.5, f"because has {words} words, or no figure", cure)
    return Verdict(1, f"{texts['architecture']}, with a reason that a person will read")


def check_report(desk: Desk) -> Verdict:
    """It speaks of this artifact, and its page needs nothing from a network."""
    from capstone_lib.report.document import Report

    report = Report.from_json(read_bytes(desk.folder / "report.json", most=_LARGEST_REPORT))
    if report.model["sha256"] != desk.artifact.sha256:
        return Verdict(0, "it speaks of another artifact than model.onnx", "write it again")
    page = read_bytes(desk.folder / "report.html", most=_LARGEST_REPORT).decode(errors="replace")
    if _ELSEWHERE.search(page):
        return Verdict(0.5, "its page asks for something from a network", "write it again")
    if report.title not in page and desk.artifact.name not in page:
        return Verdict(0.5, "report.html is not the page of report.json", "write it again")
    return Verdict(1, f"{report.title}: {len(report.risks)} open risks")
