"""Exercises of notebook 01: a pipeline the gate lets through, a prediction set, a person's form."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from capstone_lib.course.exercise import Examples, Exercise, Right, Wrong

_NUMBERS = ["AGEP", "SCHL", "MAR"]


@cache
def _census() -> Any:
    from capstone_lib.data import load_census

    return load_census()


@cache
def _people() -> Any:
    return _census().frame(2015).iloc[::20]


def _parts(pipeline: Any) -> set[str]:
    """The names of the classes a pipeline is made of, at any depth."""
    inside = {type(value).__name__ for value in pipeline.get_params(deep=True).values()}
    return {type(pipeline).__name__, *inside}


def judge_repair(repaired: Any) -> Right | Wrong:
    """A calibrated, scaled pipeline whose export passes the parity gate on people of 2015."""
    from sklearn.base import clone

    from capstone_lib.artifact import export_model
    from capstone_lib.errors import ConversionError, ParityError

    parts = _parts(repaired)
    if "CalibratedClassifierCV" not in parts:
        return Wrong("repaired is no longer calibrated: keep CalibratedClassifierCV in it.")
    if "StandardScaler" not in parts:
        return Wrong("repaired no longer scales its numbers: keep StandardScaler in it.")
    rows = _people()[_NUMBERS].astype("float64")
    fitted = clone(repaired).fit(rows, _people()["employed"])
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "repaired.onnx"
            export_model(fitted, rows, path, name="repaired", version="1.0.0")
    except ParityError:
        if "isotonic" in repaired.get_params(deep=True).values():
            return Wrong(
                "repaired is refused because of method='isotonic', whose steps turn a rounding "
                "into another answer: leave method out."
            )
        return Wrong(
            "repaired is still refused: its file would answer differently from the pipeline. "
            "The converter misreads a pipeline inside CalibratedClassifierCV: calibrate the "
            "regression alone."
        )
    except ConversionError as error:
        return Wrong(f"repaired cannot be converted at all ({str(error)[:100]}): use fewer parts.")
    return Right(
        "the file and the pipeline agree on every row. The same steps, in an order that the "
        "converter understands."
    )


def _by_loop(p: np.ndarray, quantile: float) -> np.ndarray:
    return np.array([[1 - value <= quantile for value in row] for row in p.tolist()])


def judge_in_set(in_set: Any) -> Right | Wrong:
    """The rule of prediction sets, on made-up probabilities of two and of three classes."""
    if not callable(in_set):
        return Wrong("in_set is not a function: write in_set = lambda p, quantile: …")
    rng = np.random.default_rng(0)
    for n_classes, quantile in ((2, 0.7), (2, 0.3), (3, 0.62)):
        p = rng.dirichlet(np.ones(n_classes), size=200)
        seen = np.asarray(in_set(p.copy(), quantile))
        if seen.shape != p.shape:
            return Wrong(
                f"in_set gives the shape {seen.shape} for p of shape {p.shape}: "
                "answer True or False for every person and every class."
            )
        if (seen.astype(bool) == _by_loop(p, quantile)).all():
            continue
        return _what_went_wrong(seen.astype(bool), p, quantile)
    return Right(
        "a likely class is in, an unlikely one is out. A large quantile (a model that is often far "
        "off) makes large sets; with a small one a set may even be empty."
    )


def _what_went_wrong(seen: np.ndarray, p: np.ndarray, quantile: float) -> Wrong:
    if (seen == ~_by_loop(p, quantile)).all():
        return Wrong("in_set is the wrong way round: it keeps exactly the classes to leave out.")
    if (seen == (p >= quantile)).all():
        return Wrong(
            "in_set compares p with the quantile itself. The quantile belongs to the miss, "
            "1 − p: a class is in if its miss is at most the quantile."
        )
    if (seen.sum(axis=1) == 1).all():
        return Wrong(
            "in_set always keeps one class, which is a label and no set: compare with the quantile."
        )
    right = float((seen == _by_loop(p, quantile)).mean())
    return Wrong(
        f"in_set agrees with the rule for {right:.0%} of the classes: "
        "a class is in if 1 − p is at most the quantile."
    )


def judge_person(person: Any) -> Right | Wrong:
    """One filled-in form that the census's own schema lets through without a remark."""
    import pandas as pd

    from capstone_lib.errors import SchemaError

    if isinstance(person, Mapping):
        person = pd.DataFrame([dict(person)])
    if not isinstance(person, pd.DataFrame):
        return Wrong("person is not a form: write person = {'AGEP': 34, …}, a code a column.")
    if len(person) != 1:
        return Wrong(f"person has {len(person)} rows: describe one person.")
    try:
        problems = _census().schema.check(person).problems
    except SchemaError as error:
        problems = error.problems
        if not problems:
            return Wrong(f"person cannot enter: {error}")
    if problems:
        said = "; ".join(problem.message for problem in problems)
        return Wrong(f"person has {len(problems)} problem(s), all at once: {said}.")
    return Right(
        "a person that the model can read. You chose the order of the columns: the names decide."
    )


@cache
def _classes() -> Mapping[str, Any]:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "CalibratedClassifierCV": CalibratedClassifierCV,
        "LogisticRegression": LogisticRegression,
        "Pipeline": Pipeline,
        "StandardScaler": StandardScaler,
        "make_pipeline": make_pipeline,
    }


ex_01_repair = Exercise(
    "01.1",
    judge_repair,
    starter="repaired = ...",
    hints=(
        "Each of the three parts converts well. What matters is which stands inside which.",
        "A pipeline inside CalibratedClassifierCV is misread; a lone regression in it is not.",
        "Begin with make_pipeline(StandardScaler(), …) and calibrate only what follows.",
    ),
    answer=(
        "repaired = make_pipeline(\n"
        "    StandardScaler(), CalibratedClassifierCV(LogisticRegression(), cv=3)\n"
        ")"
    ),
    because="Scaling first and calibrating the model alone is the same idea in an order that "
    "converts; the gate confirms it row by row.",
    examples=Examples(
        given=_classes,
        mistakes={
            "repaired = CalibratedClassifierCV("
            "make_pipeline(StandardScaler(), LogisticRegression()), cv=3)": "still refused",
            "repaired = make_pipeline(StandardScaler(), LogisticRegression())": "calibrated",
            "repaired = CalibratedClassifierCV(LogisticRegression(max_iter=500))": "scales",
            "repaired = make_pipeline(StandardScaler(), "
            "CalibratedClassifierCV(LogisticRegression(), method='isotonic'))": "isotonic",
            "repaired = 'move the scaler'": "cannot be checked",
        },
        also_right=(
            "repaired = Pipeline([('scale', StandardScaler()), "
            "('model', CalibratedClassifierCV(LogisticRegression(), method='sigmoid'))])",
            "repaired = make_pipeline(StandardScaler(), "
            "CalibratedClassifierCV(LogisticRegression(C=0.1), cv=5))",
        ),
    ),
)

ex_01_in_set = Exercise(
    "01.2",
    judge_in_set,
    starter="in_set = ...",
    hints=(
        "The miss of a class is one minus its probability.",
        "Compare the whole array at once: NumPy answers True or False for each entry.",
        "A class is in if 1 - p is at most the quantile.",
    ),
    answer="in_set = lambda p, quantile: 1 - p <= quantile",
    because="The quantile is the miss that the wanted share of calibration rows stayed below, so a "
    "class with a larger miss is unlikely to be the truth.",
    examples=Examples(
        given=lambda: {"np": np},
        mistakes={
            "in_set = lambda p, quantile: p >= quantile": "compares p with the quantile itself",
            "in_set = lambda p, quantile: 1 - p > quantile": "wrong way round",
            "in_set = lambda p, quantile: p.argmax(axis=1)": "shape",
            "in_set = lambda p, quantile: p == p.max(axis=1, keepdims=True)": "always keeps one",
            "in_set = lambda p, quantile: p > 0.1": "agrees with the rule for",
            "in_set = 0.5": "not a function",
        },
        also_right=(
            "in_set = lambda p, quantile: p >= 1 - quantile",
            "in_set = lambda p, quantile: [[1 - v <= quantile for v in row] for row in p]",
            "in_set = lambda p, quantile: np.where(1 - p <= quantile, 1, 0)",
        ),
    ),
)

_FORM = (
    "person = {\n"
    "    'SEX': 2, 'AGEP': 34, 'SCHL': 21, 'MAR': 1, 'RELP': 0, 'DIS': 2, 'CIT': 1, 'MIG': 1,\n"
    "    'MIL': 4, 'ANC': 1, 'NATIVITY': 1, 'DEAR': 2, 'DEYE': 2, 'DREM': 2, 'RAC1P': 1,\n"
    "}"
)

ex_01_person = Exercise(
    "01.3",
    judge_person,
    starter="person = ...",
    hints=(
        "census.schema lists the columns; census.dictionary['SCHL'].labels has words for codes.",
        "Begin with someone's row: train[census.features].iloc[0].to_dict(), and change it.",
        "check names every problem at once; put them right one after the other.",
    ),
    answer=_FORM,
    because="Every column of the schema is there once, with a code that it knows; their order does "
    "not matter.",
    examples=Examples(
        given=lambda: {"train": _census().frame(2015), "census": _census()},
        mistakes={
            "person = {'AGEP': 34}": "14 problem(s)",
            _FORM.replace("'SCHL': 21", "'SCHL': 99"): "SCHL",
            _FORM.replace("'SEX': 2", "'SEX': 'female'"): "SEX",
            _FORM.replace("'MAR': 1,", "'MAR': 1, 'WAGE': 10,"): "WAGE",
            "person = train[census.features].head(3)": "3 rows",
            "person = 'a teacher of 34'": "not a form",
        },
        also_right=(
            "person = train[census.features].iloc[[5]]",
            "person = train[census.features].iloc[7].to_dict()",
            "person = train[census.features[::-1]].head(1)",
        ),
    ),
)
