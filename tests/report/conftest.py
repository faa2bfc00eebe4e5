"""A small model at work, with hostile words in all that people write; and stores without it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import capstone_lib as cap
from capstone_lib.alerts import AlertBook, act, evaluate_alerts, load_playbook
from capstone_lib.errors import TooManyRejectsError
from capstone_lib.report import gather_report
from capstone_lib.store import open_store

HOSTILE = "<script>alert('1')</script>"
TOWNS = ("Acton", HOSTILE)
FEATURES = ["age", "hours", "town"]
MONTHS = ("2016-01", "2016-02", "2016-03")
RULES = f"""
[[rule]]
name = "wrong_town"
measurement = "drift_is_large"
feature = "*"
but_not = ["score", "label"]
threshold = 1
severity = "critical"
actions = ["ticket", "pause_rollout", "webhook"]
owner = "data team {HOSTILE}"
why = "Somebody broke {HOSTILE}."
what_to_do = "Mend {HOSTILE}."

[[rule]]
name = "few_right"
measurement = "accuracy"
comparison = "<"
threshold = 0.99
severity = "warning"
actions = ["human_audit"]
owner = "desk"
why = "Too many errors."
what_to_do = "Look at them."

[webhook]
url = "http://127.0.0.1:9/nobody-listens"
timeout_s = 0.2
tries = 1
"""


def make_people(n_rows, *, seed, first=0, hostile_share=0.5):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "row_id": np.arange(first, first + n_rows),
            "age": rng.integers(17, 90, n_rows),
            "hours": rng.normal(35, 9, n_rows).clip(0, 80).round(1),
            "town": np.where(rng.random(n_rows) < hostile_share, TOWNS[1], TOWNS[0]),
        }
    )
    chance = 1 / (1 + np.exp((frame["age"] - 50) / 8 + (frame["town"] == TOWNS[0])))
    return frame.assign(at_work=(rng.random(n_rows) < chance).astype(int))


@pytest.fixture(scope="session")
def artifact(tmp_path_factory):
    train, held = make_people(2000, seed=1), make_people(2000, seed=2)
    encode = ColumnTransformer([("town", OneHotEncoder(), ["town"])], remainder="passthrough")
    pipeline = make_pipeline(encode, LogisticRegression(max_iter=2000))
    return cap.export_model(
        pipeline.fit(train[FEATURES], train["at_work"]),
        train[FEATURES],
        tmp_path_factory.mktemp("model") / "m.onnx",
        name="work",
        version="1.0",
        X_calibration=held[FEATURES],
        y_calibration=held["at_work"],
        sensitive={"town": None, "age": (25, 65)},
    )


@pytest.fixture(scope="session")
def batches():
    """Three months; in the last one most live in the other town."""
    shares = (0.5, 0.5, 0.95)
    return {
        month: make_people(600, seed=10 + k, first=1000 * (k + 1), hostile_share=share)
        for k, (month, share) in enumerate(zip(MONTHS, shares, strict=True))
    }


@pytest.fixture(scope="session")
def filled(tmp_path_factory, artifact, batches):
    """Everything: runs, requests, outcomes, measurements, alerts, actions, reviews."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('store')}/store.db") as store:
        _score(store, artifact, batches)
        _serve(store, artifact)
        _watch(store, artifact, batches)
        _review(store, artifact, batches)
        yield store


@pytest.fixture(scope="session")
def report(artifact, filled):
    """The report on it, as if asked when the last month was over."""
    return gather_report(artifact, filled, now="2016-04-01", decision=ADVICE)


@pytest.fixture
def empty(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/empty.db") as store:
        yield store


@pytest.fixture
def batch_only(tmp_path, artifact, batches):
    with open_store(f"sqlite:///{tmp_path}/batch.db") as store:
        cap.score_batch(artifact, batches["2016-01"][["row_id", *FEATURES]], store=store,
                        as_of="2016-01-31", id="row_id", show_progress=False)  # fmt: skip
        yield store


ADVICE = {
    "name": f"letters {HOSTILE}",
    "architecture": "hybrid",
    "review": True,
    "reasons": [{"question": "How soon?", "answer": "now", "therefore": f"{HOSTILE} it is"}],
    "changes": ["answer_within_s: 86,400 instead of 1 → batch"],
    "risks": ["nobody is on call"],
}


def _score(store, artifact, batches):
    for month, people in batches.items():
        rows = people[["row_id", *FEATURES]].copy()
        if month == "2016-02":
            rows.loc[:2, "town"] = None  # three rows that no schema lets through
        cap.score_batch(artifact, rows, store=store, as_of=f"{month}-28", id="row_id",
                        show_progress=False)  # fmt: skip
    broken = batches["2016-03"][["row_id", *FEATURES]].assign(town=None)
    with pytest.raises(TooManyRejectsError):
        cap.score_batch(artifact, broken, store=store, as_of="2016-03-29", id="row_id",
                        show_progress=False)  # fmt: skip
    known = pd.concat(list(batches.values())).rename(columns={"at_work": "outcome"})
    store.record_outcomes(known[known["row_id"] < 3000], observed_at="2016-03-31")


def _serve(store, artifact):
    mine = store.register_served(name="work", version="1.0", artifact=artifact.sha256, snapshot="s")
    nobody = store.register_served(name="constant", version="1", artifact="", snapshot="")
    store.change_rollout(who=f"Ada {HOSTILE}", why=f"try {HOSTILE}", canary_share=0.1)
    begin = pd.Timestamp("2016-03-10T09:00", tz="UTC").timestamp()
    features = {"age": 40, "hours": 30.0, "town": HOSTILE}
    answer = (0.7, 1, 0.88, [0, 1], True)
    hit, stale = (1, None), (None, "stale")
    store.write_requests(
        [
            (str(k), begin + k, mine, "stable", features, *answer, 1.0 + k / 100, None,
             *(hit if k % 4 else stale))
            for k in range(200)
        ]
    )  # fmt: skip
    store.write_requests(
        [
            (f"d{k}", begin + 300 + k, nobody, "degraded", features, None, None, 1.0, [0, 1], True,
             0.1, None)
            for k in range(5)
        ]
    )  # fmt: skip


def _watch(store, artifact, batches):
    folder = store.file.parent
    (folder / "playbook.toml").write_text(RULES, "utf-8")
    playbook, ends = load_playbook(folder / "playbook.toml"), ("2016-02", "2016-03", "2016-04")
    for (month, people), after in zip(batches.items(), ends, strict=True):
        window = (f"{month}-01", f"{after}-01")
        found = cap.measure(artifact, store, window=window, source=people[["row_id", *FEATURES]],
                            now=window[1])  # fmt: skip
        store.write_measurements(found, whole=True)
        alerts = evaluate_alerts(playbook, found, history=store.measurements())
        act(alerts, store, playbook=playbook, artifact=artifact,
            source=people[["row_id", *FEATURES]], now=window[1])  # fmt: skip
    book = AlertBook(store)
    book.acknowledge(book.open()["alert_id"][0], who=f"Ben {HOSTILE}", now="2016-04-01")
    book.silence("few_right", until="2099-01-01", who="Cy", why=f"because {HOSTILE}")


def _review(store, artifact, batches):
    queue = cap.ReviewQueue(store, double_share=0.0)
    people = batches["2016-01"][["row_id", *FEATURES]]
    queue.fill_uncertain(artifact=artifact, source=people, n=20)
    for k in range(12):
        case = queue.see(queue.next("ana"))
        other = next(label for label in case.classes if label != case.label)
        verdict = ("accept", "override", "cannot say")[k % 3]
        queue.decide(case.case_id, reviewer="ana", verdict=verdict,
                     label=other if verdict == "override" else None,
                     note=f"note {HOSTILE}" if verdict == "override" else "")  # fmt: skip
