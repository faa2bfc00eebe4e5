"""A playbook is read as it is written, and refused with every mistake, its line and a cure."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import capstone_lib as cap
from capstone_lib.alerts import BurnRate, NoiseFloor, Webhook
from capstone_lib.alerts.lines import Lines
from capstone_lib.alerts.playbook import DEFAULT
from capstone_lib.errors import PlaybookError

GOOD = """\
sla_ms = 50

[[rule]]
name = "slow"
measurement = "latency_p99"
threshold = 50
owner = "me"
why = "People wait."
what_to_do = "Look at the load."
"""


def write(tmp_path, text):
    path = tmp_path / "playbook.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(tmp_path, text):
    with pytest.raises(PlaybookError) as caught:
        cap.load_playbook(write(tmp_path, text))
    return caught.value


def test_what_is_left_out_has_its_default(tmp_path):
    playbook = cap.load_playbook(write(tmp_path, GOOD))
    (rule,) = playbook
    assert (rule.name, rule.threshold, rule.comparison, rule.use) == ("slow", 50.0, ">=", "value")
    assert (rule.feature, rule.group, rule.traffic, rule.min_n) == ("", "", "*", 0)
    assert (rule.for_windows, rule.clear_windows, rule.clear_threshold) == (1, 1, None)
    assert (rule.severity, rule.actions, rule.alert_per) == ("warning", ("ticket",), "rule")
    assert (playbook.sla_ms, playbook.webhook, len(playbook)) == (50, None, 1)
    assert playbook["slow"] is rule
    with pytest.raises(KeyError, match="no rule 'fast'; there are slow"):
        playbook["fast"]


def test_thresholds_of_every_kind_and_the_webhook_are_read(tmp_path):
    text = GOOD + (
        '[rule.threshold]\nburn_rate = 6\nbudget = 0.01\nshort = "5m"\nlong = "1h"\n'
        '[[rule]]\nname = "psi"\nmeasurement = "psi"\nfeature = "*"\n'
        'threshold = { noise_floor = 0.95 }\nowner = "me"\nwhy = "w"\nwhat_to_do = "d"\n'
        'actions = ["webhook"]\n'
        '[webhook]\nurl = "https://example.org/x"\ntimeout_s = 2\ntries = 3\ntoken_env = "T"\n'
    ).replace("", "")
    text = text.replace(
        'measurement = "latency_p99"\nthreshold = 50\n', 'measurement = "slow_share"\n'
    )
    playbook = cap.load_playbook(write(tmp_path, text))
    assert playbook["slow"].threshold == BurnRate(6.0, 0.01, "5m", "1h")
    assert playbook["psi"].threshold == NoiseFloor(0.95)
    assert playbook.webhook == Webhook("https://example.org/x", 2.0, 3, "T")


def test_a_group_is_one_of_each_feature_unless_told(tmp_path):
    text = GOOD.replace('"latency_p99"', '"review_share"\ngroup = "*"').replace(
        "= 50\no", "= 0.5\no"
    )
    assert cap.load_playbook(write(tmp_path, text))["slow"].feature == "*"


def line_of(text, part):
    return text[: text.index(part)].count("\n") + 1


RULE = 'name = "slow"'
MISTAKES = {  # what is written in the place of what; where; what the message says
    "a missing key": ('owner = "me"\n', "", "[[rule]]", "has no 'owner'; say who is asked"),
    "no why": ('why = "People wait."\n', "", "[[rule]]", "has no 'why'"),
    "no threshold": ("threshold = 50\n", "", "[[rule]]", "such as threshold = 0.1"),
    "an empty why": ('"People wait."', '" "', "why =", "why is empty; say in a sentence"),
    "a misspelt key": ("owner", "ownr", "ownr", "no key 'ownr' (did you mean 'owner'?)"),
    "a misspelt measurement": ("latency_p99", "latncy_p99", "measurement",
                               "'latncy_p99', which nothing measures; did you mean 'latency_p99'?"),
    "a measurement of nobody": ("latency_p99", "zzz", "measurement", "name it in own_measurements"),
    "a number in quotes": ("= 50\no", '= "50"\no', "threshold", "leave the quotes out"),
    "a yes for a number": ("= 50\no", "= true\no", "threshold", "True; give a number"),
    "no number at all": ("= 50\no", "= nan\no", "threshold", "nan; give a number"),
    "a number for text": (RULE, "name = 7", "name =", 'in quotes, such as "here"'),
    "a name with spaces": (RULE, 'name = "too slow"', "name =", "small letters, digits and _"),
    "an unknown action": (RULE, RULE + '\nactions = ["tiket"]', "actions",
                          "'tiket', which is none (did you mean 'ticket'?)"),
    "actions that are no list": (RULE, RULE + '\nactions = "ticket"', "actions", "give a list"),
    "an action twice": (RULE, RULE + '\nactions = ["ticket", "ticket"]', "actions", "stands twice"),
    "a webhook without address": (RULE, RULE + '\nactions = ["webhook"]', "actions",
                                  "has no address to tell; add [webhook]"),
    "an unknown severity": (RULE, RULE + '\nseverity = "criticl"', "severity",
                            "did you mean 'critical'?"),
    "an unknown comparison": (RULE, RULE + '\ncomparison = "=>"', "comparison",
                              "there are >, >=, <, <=, beyond"),
    "an unknown end": (RULE, RULE + '\nuse = "lower"', "use =", "did you mean 'low'?"),
    "unknown traffic": (RULE, RULE + '\ntraffic = "night"', "traffic", "there are *, batch, live"),
    "an unknown way to group": (RULE, RULE + '\nalert_per = "column"', "alert_per",
                                "there are rule, feature, group"),
    "windows that are no count": (RULE, RULE + "\nfor_windows = 0", "for_windows",
                                  "for_windows is 0; give a whole number, 1 or more"),
    "half a window": (RULE, RULE + "\nclear_windows = 1.5", "clear_windows", "whole number"),
    "fewer than no rows": (RULE, RULE + "\nmin_n = -1", "min_n", "0 or more"),
    "a clear threshold too far out": (RULE, RULE + "\nclear_threshold = 60", "clear_threshold",
                                            "wrong side of the threshold 50"),
    "a threshold below all values": ("= 50\no", "= 0\no", "threshold", ">= 0 is always true"),
    "an endless threshold": ("= 50\no", "= inf\no", "threshold", "never true"),
    "a share above 1": ('"latency_p99"', '"error_rate"', "threshold =",
                        ">= 50 is never true: error_rate lies between 0 and 1"),
    "a measurement by feature without one": ('"latency_p99"', '"psi"', "measurement",
                                             'add feature = "*"'),
    "a feature where there is none": (
        '"latency_p99"', '"freshness"\nfeature = "age"', "feature", "leave feature out"),
    "a group where there is none": (
        '"latency_p99"', '"psi"\nfeature = "age"\ngroup = "*"', "group", "leave group out"),
    "a group that is missing": (
        '"latency_p99"', '"selection_rate"\nfeature = "SEX"', "measurement",
        'speaks of one group; add group = "*"'),
    "a feature that should be a group": (RULE, RULE + '\nfeature = "SEX"', "feature",
                                         "not by feature"),
    "an exception to nothing": (RULE, RULE + '\nbut_not = ["age"]', "but_not", "goes with feature"),
    "an end of what has no interval": (
        '"latency_p99"', '"freshness"\nuse = "low"', "use =", "has no interval"),
    "a floor that is not known": ("= 50\no", "= { noise_floor = 0.95 }\no", "threshold",
                                  'what chance alone reaches (psi'),
    "half a burn rate": ("= 50\no", '= { burn_rate = 2, budget = 0.1, short = "5m" }\no',
                         "threshold", "the threshold has no 'long'"),
    "a misspelt threshold": ("= 50\no", "= { noise_flor = 0.95 }\no", "threshold",
                             "no 'noise_flor' (did you mean 'noise_floor'?)"),
    "a budget of what is no share": (
        "= 50\no", '= { burn_rate = 2, budget = 0.1, short = "5m", long = "1h" }\no',
        "measurement", "latency_p99 is none"),
    "an unknown key of the playbook": ("sla_ms", "sla_s", "sla_s", "no key 'sla_s' (did you mean"),
    "an SLA of nothing": ("sla_ms = 50", "sla_ms = 0", "sla_ms", "milliseconds above 0"),
    "replicas in text": ("sla_ms = 50", 'max_replicas = "4"', "max_replicas", "1 to 1000"),
    "single brackets": ("[[rule]]", "[rule]", "[rule]", "two brackets on either side"),
    "a webhook without url": (
        "[[rule]]", "[webhook]\ntries = 3\n\n[[rule]]", "[webhook]", "no url"),
    "a url that is none": ("[[rule]]", '[webhook]\nurl = "chat"\n\n[[rule]]', "url",
                           "this url is no address; give"),
    "a url that names a file": (
        "[[rule]]", '[webhook]\nurl = "file:///etc/SECRET"\n\n[[rule]]', "url", "is no address"),
    "a url without a host": (
        "[[rule]]", '[webhook]\nurl = "http://"\n\n[[rule]]', "url", "is no address"),
    "a port that is none": (
        "[[rule]]", '[webhook]\nurl = "http://a:99999/"\n\n[[rule]]', "url", "is no address"),
    "half an address": (
        "[[rule]]", '[webhook]\nurl = "http://[::/"\n\n[[rule]]', "url", "is no address"),
    "a url of two lines": (
        "[[rule]]", '[webhook]\nurl = "http://a/\\r\\nX: y"\n\n[[rule]]', "url", "is no address"),
    "a threshold beyond all floats": (
        "= 50\no", f"= 1{'0' * 400}\no", "threshold", "give a number"),
    "a patient webhook": (
        "[[rule]]", '[webhook]\nurl = "http://x"\ntimeout_s = 600\n\n[[rule]]', "timeout_s",
        "60 at most"),
    "a stubborn webhook": (
        "[[rule]]", '[webhook]\nurl = "http://x"\ntries = 99\n\n[[rule]]', "tries", "from 1 to 10"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_told_with_its_line_and_a_cure(tmp_path, mistake):
    old, new, place, said = MISTAKES[mistake]
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if "selection_rate" in text:
        text = text.replace("= 50\no", "= 0.5\no")
    error = refusal(tmp_path, text)
    assert said in str(error)
    (problem,) = [one for one in error.problems if said in one[1]]
    assert problem[0] == line_of(text, place)
    assert f"playbook.toml:{problem[0]}: " in str(error)
    assert len(error.problems) == 1


BURN = ('measurement = "error_rate"\nowner = "me"\nwhy = "w"\nwhat_to_do = "d"\nthreshold = '
        '{ burn_rate = 2, budget = 0.1, short = "5m", long = "1h" }\n')  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"5m"', '"2h"', "short is 2h and long is 1h"),
        ('"5m"', '"5 min"', "short: a length of time is a number and s, m, h, d or w"),
        ("budget = 0.1", "budget = 1.5", "budget is 1.5; give a share"),
        ("burn_rate = 2", "burn_rate = 20", "is the share 2; it must lie above 0"),
        ("burn_rate = 2", "burn_rate = 0", "is the share 0"),
        ("burn_rate = 2", 'burn_rate = "2"', "burn_rate is '2'; give a number"),
        ("owner", 'comparison = "<"\nowner', "a budget burns upwards"),
        ("owner", "clear_threshold = 3\nowner", "wrong side of the threshold 2"),
    ],
)
def test_burn_rates_that_make_no_sense_are_refused(tmp_path, old, new, said):
    text = f'[[rule]]\nname = "a"\n{BURN}'
    cap.load_playbook(write(tmp_path, text))
    assert said in str(refusal(tmp_path, text.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("threshold = { noise_floor = 0.99 }", "write { noise_floor = 0.95 }"),
        ('comparison = "<"\nthreshold = { noise_floor = 0.95 }', "passed upwards"),
        ("clear_threshold = 1\nthreshold = { noise_floor = 0.95 }", "no fixed number"),
    ],
)
def test_noise_floors_that_make_no_sense_are_refused(tmp_path, change, said):
    text = GOOD.replace('"latency_p99"', '"psi"\nfeature = "*"').replace("threshold = 50", change)
    assert said in str(refusal(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "there is no rule; begin one with [[rule]]"),
        ("# nothing\n", 1, "there is no rule"),
        ("rule = 3\n", 1, "two brackets"),
        ("webhook = 3\n" + GOOD, 1, "is a table with a url"),
        (GOOD + GOOD.partition("\n\n")[2], 11, "stands in line 4 already"),
        ("own_measurements = 'x'\n" + GOOD, 1, "give a list"),
    ],
)
def test_a_playbook_as_a_whole_can_be_wrong(tmp_path, text, line, said):
    error = refusal(tmp_path, text)
    assert [place for place, one in error.problems if said in one] == [line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD + 'why = "Twice."\n', 10),
        (GOOD.replace('"slow"', '"slow'), 4),
        (GOOD.replace("= 50\no", "= 5O\no"), 6),
        (GOOD.replace("[[rule]]", "[[rule]"), 3),
        (GOOD.replace('"me"', "me"), 7),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path, text, line):
    error = refusal(tmp_path, text)
    assert f"playbook.toml:{line}: this is no TOML" in str(error)
    assert "seen" in str(error)


def test_files_that_cannot_be_read_are_told(tmp_path):
    with pytest.raises(PlaybookError, match=r"cannot be read: No such file.*leave it out"):
        cap.load_playbook(tmp_path / "none.toml")
    with pytest.raises(PlaybookError, match="cannot be read"):
        cap.load_playbook(tmp_path)
    path = tmp_path / "latin.toml"
    path.write_bytes(b"sla_ms = 1\n# caf\xe9\n")
    with pytest.raises(PlaybookError, match=r"latin\.toml:2: a byte here is no UTF-8"):
        cap.load_playbook(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"a = {'[' * 9_000}{']' * 9_000}", "too deep to be read"),
        (GOOD.replace("= 50\no", f"= {'9' * 5_000}\no"), "too long to be one"),
    ],
)
def test_what_python_will_not_read_is_refused_in_one_sentence(tmp_path, text, said):
    assert said in str(refusal(tmp_path, text))


def test_the_mark_that_some_editors_put_first_is_no_mistake(tmp_path):
    path = write(tmp_path, "\ufeff" + GOOD.replace("\n", "\r\n"))
    assert len(cap.load_playbook(path)) == 1


def test_all_mistakes_are_told_at_once_in_their_order(tmp_path):
    text = (
        GOOD.replace('"latency_p99"', '"latency"')
        .replace("owner", "ownr")
        .replace("50\no", "-1\no")
    )
    error = refusal(tmp_path, text + "\n[[rule]]\n" + 'name = "b"\nseverity = 3\n')
    lines = [line for line, _ in error.problems]
    assert lines == sorted(lines)
    assert len(lines) >= 7
    assert str(error).startswith(f"{tmp_path / 'playbook.toml'}: {len(lines)} mistakes, so no rule")


def test_measurements_of_ones_own_can_be_named(tmp_path):
    text = GOOD.replace("latency_p99", "queue_length")
    assert "own_measurements" in str(refusal(tmp_path, text))
    found = cap.load_playbook(write(tmp_path, 'own_measurements = ["queue_length"]\n' + text))
    assert found["slow"].measurement == "queue_length"


def test_the_default_is_documented_and_has_the_rules_of_the_course():
    playbook = cap.Playbook.default()
    text = DEFAULT.read_text(encoding="utf-8")
    assert playbook is cap.load_playbook()
    drift, p99, gap = (playbook[n] for n in ("feature_drift", "slow_answers", "unequal_errors"))
    assert drift.actions == ("ticket", "pause_rollout")
    assert p99.actions == ("scale_up",)
    assert "degrade_route" in playbook["slow_budget_fast"].actions
    assert gap.measurement == "false_positive_rate_lower_bound"
    assert gap.actions == ("human_audit",)
    measured = {rule.measurement for rule in playbook}
    assert {"parity_differing_share", "staleness_p95", "freshness", "run_success_rate",
            "error_rate", "review_share", "coverage", "estimated_accuracy"} <= measured  # fmt: skip
    for rule in playbook:
        assert re.search(rf'^name = "{rule.name}"$', text, re.MULTILINE)
        assert rule.why.endswith(".")
        assert rule.what_to_do.endswith(".")
    for key in ("for_windows", "clear_threshold", "but_not", "alert_per", "noise_floor"):
        assert key in text.partition("[[rule]]")[0]


def test_the_default_is_shown_as_a_table():
    frame = cap.Playbook.default().to_frame()
    assert frame.loc["slow_answers", "measurement"] == "latency_p99"
    assert "slow_answers" in cap.Playbook.default()._repr_html_()


def test_lines_are_found_whatever_stands_in_the_text():
    text = '''\
sla_ms = 5  # [[rule]]
own_measurements = [
    "a",  # ]
    "b = [",
]

[[ rule ]]  # the first
name = "it's"
why = """
[[rule]]
name = "x"
"""
"what_to_do" = 'say "= ['
threshold.noise_floor = 0.95

[webhook]
url = "http://x"

[[rule]]
name = "z"
[rule.threshold]
budget = 1
'''
    lines = Lines.of(text)
    keys = [("rule", 0, "name"), ("rule", 0, "why"), ("rule", 0, "what_to_do"),
            ("rule", 0, "threshold"), ("webhook", 0, "url"), ("rule", 1, "name"),
            ("rule", 1, "threshold"), ("", 0, "own_measurements"), ("rule", 1)]  # fmt: skip
    assert [lines.of_key(*key) for key in keys] == [8, 9, 13, 14, 17, 20, 21, 2, 19]


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = Path(tmp_path_factory.getbasetemp()) / "any.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(PlaybookError, match=re.escape(str(path))):
        cap.load_playbook(path)


VALUES = st.one_of(st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=5),
                   st.lists(st.integers(), max_size=2), st.just({}))  # fmt: skip
KEYS = st.sampled_from(["name", "measurement", "threshold", "owner", "why", "what_to_do", "feature",
                        "group", "but_not", "use", "min_n", "for_windows", "actions",
                        "clear_threshold"])  # fmt: skip


@given(st.dictionaries(KEYS, VALUES, max_size=6))
@settings(max_examples=200, deadline=None)
def test_values_of_any_type_are_refused_by_name_and_never_crash(values):
    from capstone_lib.alerts.reading import read_playbook

    with pytest.raises(PlaybookError):
        read_playbook({"rule": [values]}, "[[rule]]\n")
