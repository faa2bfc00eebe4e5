"""The checklist and the costs with controls: what is chosen is what is advised; stills stay."""

import sys
from dataclasses import replace

import nbformat.v4 as v4
import pytest
from matplotlib import pyplot as plt

from capstone_lib.course.stills import keep_stills
from capstone_lib.decide import Prices, Speed, UseCase, Volume, advise, monthly_costs
from capstone_lib.widgets.decide import Checklist, explore_costs

WIDGET = "application/vnd.jupyter.widget-view+json"
COUNTER = UseCase(
    "advice at <the> counter", answer_within_s=2, staleness_h=48, known_ahead=0.93,
    stakes="fairness",
)  # fmt: skip
SPEED, VOLUME = Speed(200_000, 1_000), Volume(people=60_000, questions_per_day=2_000)


@pytest.fixture(autouse=True)
def _no_figure_stays():
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


def test_controls_begin_with_the_answers_given_whatever_they_are():
    shown = Checklist(COUNTER)
    for name, control in shown.controls.items():
        assert control.value == getattr(COUNTER, name)
    assert "budget" not in shown.controls
    assert 0.93 in [value for _, value in shown.controls["known_ahead"].options]


@pytest.mark.parametrize(
    ("name", "value", "architecture"),
    [
        ("answer_within_s", 2 * 86_400, "batch"),
        ("staleness_h", 0, "real time with review"),
        ("known_ahead", 0.1, "real time with review"),
        ("stakes", "none", "hybrid"),
    ],
)
def test_an_answer_changes_the_advice(name, value, architecture):
    shown = Checklist(COUNTER)
    before = shown._told.value
    assert shown.advice.architecture == "hybrid"
    shown.controls[name].value = value
    assert shown.case == replace(COUNTER, **{name: value})
    assert shown.advice == advise(shown.case)
    assert shown.advice.architecture == architecture
    assert shown._told.value != before
    assert shown.advice._repr_html_() in shown._told.value


def test_a_budget_is_asked_where_costs_are_known():
    costs = {"batch": 1.0, "hybrid": 40.0, "real time": 39.0}
    shown = Checklist(replace(COUNTER, cost=costs))
    assert shown.controls["budget"].value is None
    shown.controls["budget"].value = 39.0
    assert shown.advice.architecture == "real time with review"


def test_every_control_names_its_question():
    shown = Checklist(COUNTER)
    assert all(len(one.description) > 10 for one in shown.controls.values())
    assert "aria-live='polite'" in shown._told.value


def test_without_a_kernel_the_answers_and_the_advice_stay():
    bundle = Checklist(COUNTER)._repr_mimebundle_()
    assert WIDGET in bundle
    assert "advice at &lt;the&gt; counter" in bundle["text/html"]
    assert "An answer is needed within" in bundle["text/html"]
    assert bundle["text/plain"] == str(advise(COUNTER))


def test_an_executed_notebook_keeps_the_advice_and_no_dead_control():
    bundle = Checklist(COUNTER)._repr_mimebundle_()
    output = v4.new_output("display_data", data=bundle)
    notebook = v4.new_notebook(cells=[v4.new_code_cell(outputs=[output])])
    keep_stills(notebook)
    [kept] = notebook.cells[0].outputs
    assert set(kept.data) == {"text/plain", "text/html"}


def test_without_ipywidgets_the_advice_is_shown_with_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    shown = Checklist(COUNTER)
    assert shown.controls == {}
    bundle = shown._repr_mimebundle_()
    assert WIDGET not in bundle
    assert "ipywidgets" in bundle["text/html"]


def test_sliders_of_costs_say_what_the_costs_say():
    shown = explore_costs(SPEED, VOLUME, Prices(floor_cores=2), currency="EUR")
    costs = monthly_costs(SPEED, VOLUME, Prices(floor_cores=2))
    assert f"real time {costs.real_time:,.2f} EUR" in shown.still.caption
    before = shown.still.png
    shown.controls["floor_cores"].value = 0
    costs = monthly_costs(SPEED, VOLUME, Prices(floor_cores=0))
    assert f"real time {costs.real_time:,.2f} EUR" in shown.still.caption
    assert "0.00 EUR of real time is the floor" in shown.still.caption
    assert shown.still.png != before
    shown.controls["people"].value = 100_000_000
    assert "with a run every" in shown.still.caption


def test_sliders_begin_where_they_are_told():
    volume = Volume(people=123, questions_per_day=4.5)
    shown = explore_costs(SPEED, volume, Prices(floor_cores=20, duty=0.3))
    expected = {"questions": 4.5, "people": 123, "floor_cores": 20, "busy_share": 0.3}
    assert shown.values == expected


@pytest.mark.parametrize(
    ("volume", "prices", "words"),
    [
        (Volume(0, 1), Prices(batch_start_s=0), "Runs cost nothing"),
        (Volume(1e12, 1), Prices(), "Even one run a day costs more"),
        (Volume(1e9, 1), Prices(), "hours."),
        (VOLUME, Prices(), "minutes."),
    ],
)
def test_break_even_in_words(volume, prices, words):
    assert words in explore_costs(SPEED, volume, prices).still.caption
