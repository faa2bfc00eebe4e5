"""Prometheus' own promtool reads the exported rules, and plays through each of them."""

import shutil
import subprocess

import pytest
import yaml

import capstone_lib as cap
from capstone_lib.alerts.prometheus import expressible, prometheus_rules, write_rules
from capstone_lib.alerts.promql import figure_of
from capstone_lib.errors import AlertError
from capstone_lib.serving.metrics import LATENCY_BUCKETS_S

HEAD = 'owner = "me"\nwhy = "It {{ matters }}."\nwhat_to_do = "Look."\n'
OTHERS = [
    'name = "route_p95"\nmeasurement = "latency_p95"\ngroup = "route=canary"\nthreshold = 250\n'
    "for_windows = 3\nclear_windows = 2\n",
    'name = "refused"\nmeasurement = "refused_rate"\nthreshold = 0.2\nclear_threshold = 0.1\n',
    'name = "shed"\nmeasurement = "shed_rate"\ncomparison = ">"\nthreshold = 0.05\n',
    'name = "silent"\nmeasurement = "requests_asked"\ncomparison = "<"\nthreshold = 100\n',
    'name = "no_reviews"\nmeasurement = "review_share"\ncomparison = "<="\nthreshold = 0.01\n'
    "clear_threshold = 0.02\nfor_windows = 2\n",
    'name = "burning"\nmeasurement = "refused_rate"\nthreshold = '
    '{ burn_rate = 6, budget = 0.05, short = "30m", long = "6h" }\nmin_n = 1000\n',
]


def promtool(*arguments, folder):
    found = shutil.which("promtool")
    assert found, "promtool is missing: install Debian's package with `apt-get install prometheus`"
    run = subprocess.run(
        [found, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def others(tmp_path):
    path = tmp_path / "playbook.toml"
    path.write_text("".join(f"[[rule]]\n{rule}{HEAD}" for rule in OTHERS))
    return cap.load_playbook(path)


@pytest.mark.parametrize("window", ["5m", "1h"])
def test_promtool_accepts_the_default_rules_and_their_tests_pass(tmp_path, window):
    written = write_rules(cap.Playbook.default(), tmp_path, window=window)
    assert promtool("check", "rules", written.rules.name, folder=tmp_path)[0] == 0
    status, said = promtool("test", "rules", written.tests.name, folder=tmp_path)
    assert status == 0, said
    assert set(written.names) >= {"slow_answers", "slow_budget_fast", "error_budget_slow"}
    assert set(written.names) | set(written.left_out) == {
        rule.name for rule in cap.Playbook.default()
    }


def test_rules_of_every_kind_fire_and_end(tmp_path, others):
    written = write_rules(others, tmp_path)
    assert written.left_out == {}
    assert promtool("check", "rules", written.rules.name, folder=tmp_path)[0] == 0
    status, said = promtool("test", "rules", written.tests.name, folder=tmp_path)
    assert status == 0, said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("> 100", "> 100000"),  # never fires
        ("rate1h >= 0.144", "rate1h >= 0.99"),  # the long time counts
        ("rate5m >= 0.144", "rate5m >= 0"),  # fires too early, or never ends
        ('status=~"5.."', 'status=~"4.."'),  # counts the wrong ones
        ('path=~"/predict.*|.*/infer"', 'path=~".*"'),  # counts those that asked for nothing
        ("severity: critical", "severity: info"),
    ],
)
def test_the_tests_notice_a_rule_that_is_wrong(tmp_path, old, new):
    default = cap.Playbook.default()
    few = [default[name] for name in ("slow_answers", "slow_budget_fast", "error_budget_fast")]
    written = write_rules(cap.Playbook(tuple(few)), tmp_path)
    text = written.rules.read_text()
    rules = yaml.safe_load(text)
    changed = yaml.safe_load(yaml.safe_dump(rules, width=10_000).replace(old, new))
    assert changed != rules
    if new.endswith(">= 0"):  # both times, and what is needed to end
        text = yaml.safe_dump(changed, width=10_000)
        changed = yaml.safe_load(text.replace("rate1h >= 0.144", "rate1h >= 0"))
    written.rules.write_text(yaml.safe_dump(changed))
    assert promtool("test", "rules", written.tests.name, folder=tmp_path)[0] != 0


def test_an_alert_says_who_why_and_what_to_do(others):
    rules = yaml.safe_load(prometheus_rules(cap.Playbook.default()))
    alerts = {rule["alert"]: rule for rule in rules["groups"][1]["rules"]}
    one, rule = alerts["slow_answers"], cap.Playbook.default()["slow_answers"]
    assert one["labels"] == {"severity": rule.severity, "owner": rule.owner}
    assert one["annotations"]["why"] == rule.why
    assert one["annotations"]["what_to_do"] == rule.what_to_do
    text = prometheus_rules(others)
    assert "It { { matters } }." in text  # a template of Prometheus would be run
    recorded = [rule["record"] for rule in rules["groups"][0]["rules"]]
    assert "capstone:slow_share:rate1h" in recorded
    assert len(recorded) == len(set(recorded))


def test_what_cannot_be_asked_is_left_out_with_the_reason(tmp_path):
    _, left_out = expressible(cap.Playbook.default())
    assert left_out["feature_drift"] == "the endpoint does not count drift_is_large"
    rules = {
        "batch_only": 'measurement = "review_share"\ntraffic = "batch"\nthreshold = 0.4\n',
        "by_sex": 'measurement = "review_share"\ngroup = "SEX=1"\nthreshold = 0.4\n',
        "any_route": 'measurement = "latency_p99"\ngroup = "route=*"\nthreshold = 100\n',
        "too_long": 'measurement = "latency_p99"\nthreshold = 60000\n',
        "slow": 'measurement = "slow_share"\nthreshold = 0.1\n',
        "noise": 'measurement = "ece"\nthreshold = { noise_floor = 0.95 }\n',
    }
    path = tmp_path / "playbook.toml"
    path.write_text(
        "sla_ms = 70\n"
        + "".join(f'[[rule]]\nname = "{name}"\n{text}{HEAD}' for name, text in rules.items())
    )
    figures, left_out = expressible(cap.load_playbook(path))
    assert figures == {}
    assert left_out["batch_only"] == "it speaks of batch"
    assert "one route at a time" in left_out["any_route"]
    assert "one route at a time" in left_out["by_sex"]
    assert "ends at 9000 ms" in left_out["too_long"]
    assert "sla_ms 70 is the end of none" in left_out["slow"]
    assert "what chance alone reaches" in left_out["noise"]
    with pytest.raises(AlertError, match="no rule of this playbook can be asked"):
        prometheus_rules(cap.load_playbook(path))


def test_a_window_that_is_no_time_is_refused():
    with pytest.raises(AlertError, match=r"seen 'five minutes'"):
        prometheus_rules(cap.Playbook.default(), window="five minutes")


@pytest.mark.parametrize("end", LATENCY_BUCKETS_S)
def test_every_bucket_of_the_histogram_can_be_the_sla(end):
    figure = figure_of("slow_share", sla_ms=1000 * end)
    assert not isinstance(figure, str)
    assert f'le="{end}"' in figure.over("5m")
