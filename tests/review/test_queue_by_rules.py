"""The queue against a model of it that fits on a page, step by step and in any order."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from capstone_lib.errors import ReviewError
from capstone_lib.review import ReviewQueue, desk
from capstone_lib.store import open_store
from capstone_lib.store.engine import writing

LEASE_S = 100.0
NAMES = st.sampled_from(["ana", "bo", "cy"])
STEPS = st.sampled_from([ReviewQueue.decide, ReviewQueue.put_back])


def case_row(number, *, priority, wanted):
    return {
        "case_id": f"c{number}", "row_id": number, "source": "uncertainty", "reason": "why",
        "alert_id": "", "group": "", "priority": priority, "model": "m", "version": "1",
        "features": "{}", "classes": "[0, 1]", "score": 0.5, "label": 1, "uncertainty": 1.0,
        "prediction_set": "[0, 1]", "reasons": None, "wanted": wanted,
    }  # fmt: skip


class Desk(RuleBasedStateMachine):
    """Cases, reviewers and a clock; after each step store and model say the same."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.now = 1.0e9
        self.store = open_store(f"sqlite:///{self.folder}/store.db")
        self.queue = self.made()
        self.cases, self.words = {}, []

    def made(self):
        return ReviewQueue(self.store, lease_s=LEASE_S, clock=lambda: self.now)

    def teardown(self):
        if hasattr(self, "folder"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(priority=st.sampled_from([0.0, 1.0, 2.0]), wanted=st.sampled_from([1, 1, 2]))
    def add(self, priority, wanted):
        number = len(self.cases)
        row = case_row(number, priority=priority, wanted=wanted)
        with writing(self.store.engine) as connection:
            assert desk.add(connection, [row, row], at=self.now) == 1
        with writing(self.store.engine) as connection:
            assert desk.add(connection, [row], at=self.now) == 0
        self.cases[f"c{number}"] = {
            "order": (-priority, self.now, f"c{number}"), "wanted": wanted, "who": None,
            "until": 0.0, "seen": None, "said": {},
        }  # fmt: skip

    @rule(seconds=st.sampled_from([1.0, 60.0, LEASE_S, 500.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def kernel_dies(self):
        """All that a process had in mind is gone; the store is opened anew."""
        url = self.store.url
        self.store.close()
        self.store = open_store(url)
        self.queue = self.made()

    def due(self, name):
        """What the reviewer should be given."""
        free = {
            k: c
            for k, c in self.cases.items()
            if len(c["said"]) < c["wanted"]
            and name not in c["said"]
            and (c["who"] in (None, name) or c["until"] <= self.now)
        }
        return min(free, key=lambda k: (free[k]["who"] != name, free[k]["order"]), default=None)

    @rule(name=NAMES)
    def next_case(self, name):
        due = self.due(name)
        assert (self.queue.peek(name) is None) == (due is None)
        given = self.queue.next(name)
        assert (None if given is None else given.case_id) == due
        if due is not None:
            case = self.cases[due]
            if not (case["who"] == name and case["until"] > self.now):
                case["seen"] = None
            case.update(who=name, until=self.now + LEASE_S)

    def held(self, name):
        return [k for k, c in self.cases.items() if c["who"] == name]

    @precondition(lambda self: any(c["who"] for c in self.cases.values()))
    @rule(data=st.data(), verdict=st.sampled_from(["accept", "override", "cannot say"]))
    def decide(self, data, verdict):
        name = data.draw(st.sampled_from(sorted({c["who"] for c in self.cases.values()} - {None})))
        case_id = data.draw(st.sampled_from(self.held(name)))
        case = self.cases[case_id]
        label = 0 if verdict == "override" else None
        made = self.queue.decide(case_id, reviewer=name, verdict=verdict, label=label)
        assert made.counts == all(said == "cannot say" for said in case["said"].values())
        assert made.seconds == (None if case["seen"] is None else self.now - case["seen"])
        case["said"][name] = verdict
        self.words.append((case_id, name, verdict))
        case.update(who=None, until=0.0, seen=None)

    @precondition(lambda self: self.cases)
    @rule(data=st.data(), name=NAMES, step=STEPS)
    def meddle(self, data, name, step):
        """Nobody decides, or puts back, what they have not got."""
        case_id = data.draw(st.sampled_from(sorted(self.cases)))
        if self.cases[case_id]["who"] == name:
            return
        what = {"verdict": "accept"} if step is ReviewQueue.decide else {}
        with pytest.raises(ReviewError):
            step(self.queue, case_id, reviewer=name, **what)

    @rule(name=NAMES)
    def see(self, name):
        for case_id in self.held(name):
            given = self.queue.peek(name)
            if given is None or given.case_id != case_id or given.reviewer != name:
                continue
            self.queue.see(given)
            if self.cases[case_id]["seen"] is None:
                self.cases[case_id]["seen"] = self.now

    @rule(name=NAMES)
    def put_back(self, name):
        for case_id in self.held(name):
            self.queue.put_back(case_id, reviewer=name)
            self.cases[case_id].update(who=None, until=0.0, seen=None)

    @invariant()
    def nothing_is_lost_and_nothing_made_up(self):
        if not hasattr(self, "queue"):
            return
        cases, said = self.queue.cases(), self.queue.decisions()
        closed = dict(zip(cases["case_id"], cases["closed_at"].notna(), strict=True))
        assert closed == {k: len(c["said"]) >= c["wanted"] for k, c in self.cases.items()}
        assert list(zip(said["case_id"], said["reviewer"], said["verdict"], strict=True)) \
            == self.words  # fmt: skip
        holders = dict(zip(cases["case_id"], cases["reviewer"], strict=True))
        assert {k: v if isinstance(v, str) else None for k, v in holders.items()} == {
            k: c["who"] for k, c in self.cases.items()
        }
        counted = [v for c in self.cases.values()
                   for v in list(c["said"].values()) if v != "cannot say"]  # fmt: skip
        firsts = [
            next((v for v in c["said"].values() if v != "cannot say"), None)
            for c in self.cases.values()
        ]
        assert len(self.store.outcomes()) == sum(v is not None for v in firsts) <= len(counted)
        assert len(self.store.overrides()) == firsts.count("override")


TestDesk = Desk.TestCase
TestDesk.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
