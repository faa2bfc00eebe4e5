"""What a playbook needs to know of the past."""

from dataclasses import replace

from capstone_lib.alerts import Playbook, evaluate_alerts, load_playbook
from capstone_lib.alerts.history import read_history
from capstone_lib.store.measurement import Measurement

DRIFT = Measurement(
    "drift_is_large", 1.0, n=5000, feature="AGEP", model="m", version="1", traffic="batch",
    window_start="2016-01-01", window_end="2016-02-01",
)  # fmt: skip
QUIET = {"value": 0.0}
MARCH = {"window_start": "2016-03-01", "window_end": "2016-04-01"}
FEBRUARY = {"window_start": "2016-02-01", "window_end": "2016-03-01"}


def test_only_what_its_rules_look_at_is_read(store):
    effect = replace(DRIFT, name="drift_effect", value=0.4)
    other = replace(DRIFT, name="wasserstein")
    store.write_measurements([DRIFT, effect, other, replace(DRIFT, model="n")])
    rules = load_playbook()
    found = read_history(store, rules, model="m")
    assert sorted(found["name"]) == ["drift_effect", "drift_is_large"]
    assert read_history(store, rules, model="m", version="2").empty
    assert read_history(store, Playbook((rules["slow_answers"],)), model="m").empty


def test_measuring_an_old_window_again_raises_nothing_that_is_over(store):
    store.write_measurements([DRIFT, replace(DRIFT, **FEBRUARY, **QUIET),
                              replace(DRIFT, **MARCH, **QUIET)])  # fmt: skip
    rules = load_playbook()

    def states(**past):
        found = evaluate_alerts(rules, [DRIFT], **past)
        return {one.rule.name: one.state for one in found if one.state != "unknown"}

    assert states() == {"feature_drift": "firing"}
    assert states(history=read_history(store, rules, model="m")) == {"feature_drift": "cleared"}
