"""What each architecture costs a month, from measured speed and stated assumptions.

Arithmetic only: a price list is not a bill. Every assumption has a name, a default and a unit.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Costs", "Prices", "Speed", "Volume", "break_even", "draw_costs", "monthly_costs"]

_DAYS = 30.4
_HOURS = 24 * _DAYS
_DAY_S = 86_400


@dataclass(frozen=True)
class Prices:
    """What is assumed; change what is different where you are.

    Attributes
    ----------
    core_hour : float
        Price of one core for an hour, in the currency of your choice.
    floor_cores : int
        Cores that stay on however little is asked: the autoscaling floor. 0 if the endpoint may
        sleep, and then somebody waits for it to wake.
    utilization : float
        How full a core may be before another is started, 0 to 1: the rest is room for bursts.
    duty : float
        The share of the day in which questions come, 0 to 1. All of them come in that time.
    batch_cores : int
        Cores that a batch run has.
    batch_start_s : float
        Seconds that a machine for a batch run is paid before it does something.
    reviewer_hour : float
        What an hour of a reviewer costs, in the same currency.
    review_minutes : float
        Minutes a case.
    """

    core_hour: float = 0.05
    floor_cores: int = 1
    utilization: float = 0.5
    duty: float = 0.5
    batch_cores: int = 2
    batch_start_s: float = 60.0
    reviewer_hour: float = 30.0
    review_minutes: float = 2.0

    def __post_init__(self) -> None:
        for field in fields(self):
            _at_least(field.name, getattr(self, field.name), 0)
        for name in ("utilization", "duty"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} must be above 0 and at most 1; seen {getattr(self, name)!r}"
                )
        _at_least("batch_cores", self.batch_cores, 1)


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Attributes
    ----------
    batch_rows_per_s : float
        Rows a second of a whole batch run, reading and writing included, on all its cores.
    live_per_core_s : float
        Requests a second that one core answers within the promise.
    hit_rate : float
        The share of live questions that a stored answer served, 0 to 1.
    """

    batch_rows_per_s: float
    live_per_core_s: float
    hit_rate: float = 0.0

    def __post_init__(self) -> None:
        for name in ("batch_rows_per_s", "live_per_core_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0; seen {getattr(self, name)!r}")
        if not 0 <= self.hit_rate <= 1:
            raise ValueError(f"hit_rate must be 0 to 1, a share; seen {self.hit_rate!r}")


@dataclass(frozen=True)
class Volume:
    """How much there is to do.

    Attributes
    ----------
    people : float
        Everybody who is scored in a batch run, asked about or not.
    questions_per_day : float
        Who is asked about.
    runs_per_day : float
        Batch runs a day.
    review_share : float
        The share of questions that a person decides, 0 to 1.
    """

    people: float
    questions_per_day: float
    runs_per_day: float = 1.0
    review_share: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            _at_least(field.name, getattr(self, field.name), 0)


@dataclass(frozen=True)
class Costs:
    """What each architecture costs a month, machines and people apart.

    Attributes
    ----------
    batch, hybrid, real_time : float
        Machines.
    review : float
        People: the same for each, and asked for by what is at stake, not by the architecture.
    live_cores, hybrid_cores : int
        Cores of the endpoint while questions come.
    """

    batch: float
    hybrid: float
    real_time: float
    review: float
    live_cores: int
    hybrid_cores: int

    def to_dict(self) -> dict[str, float]:
        """Machines by architecture, as :class:`~capstone_lib.decide.UseCase` takes them."""
        return {"batch": self.batch, "hybrid": self.hybrid, "real time": self.real_time}

    def to_frame(self) -> "pd.DataFrame":
        """A row an architecture: machines, review, together, cores that wait for questions."""
        import pandas as pd

        cores = (0, self.hybrid_cores, self.live_cores)
        frame = pd.DataFrame({"machines": self.to_dict(), "review": self.review}).assign(
            together=lambda one: one["machines"] + one["review"]
        )
        return frame.assign(endpoint_cores=cores).rename_axis("architecture")

    def _repr_html_(self) -> str:
        shown: str = self.to_frame().round(2).to_html()
        return shown


def monthly_costs(speed: Speed, volume: Volume, prices: Prices | None = None) -> Costs:
    """Say what each architecture costs a month.

    Parameters
    ----------
    speed : Speed
        What was measured.
    volume : Volume
        How much there is to do.
    prices : Prices, optional
        The assumptions; the defaults unless told otherwise.

    Returns
    -------
    Costs

    Notes
    -----
    Batch: runs × (start + people ÷ rows a second) × cores × price. Real time: while questions come,
    the cores that their rate needs at the given utilization, whole ones, and never fewer than the
    floor; for the rest of the day the floor. Hybrid: a batch run, and an endpoint for those whom it
    does not serve; a stored answer is taken to cost the endpoint nothing.

    Examples
    --------
    >>> speed = Speed(batch_rows_per_s=200_000, live_per_core_s=1_000)
    >>> costs = monthly_costs(speed, Volume(people=60_000, questions_per_day=2_000))
    >>> round(costs.batch, 2), round(costs.real_time, 2), costs.live_cores
    (0.05, 36.48, 1)
    """
    prices = prices or Prices()
    runs = volume.runs_per_day * _DAYS
    run_s = prices.batch_start_s + volume.people / speed.batch_rows_per_s
    batch = runs * run_s / 3_600 * prices.batch_cores * prices.core_hour
    missed = volume.questions_per_day * (1 - speed.hit_rate)
    live_cores = _cores(volume.questions_per_day, speed, prices)
    hybrid_cores = _cores(missed, speed, prices)
    reviews = volume.questions_per_day * volume.review_share * _DAYS
    return Costs(
        batch=batch,
        hybrid=batch + _endpoint(hybrid_cores, prices),
        real_time=_endpoint(live_cores, prices),
        review=reviews * prices.review_minutes / 60 * prices.reviewer_hour,
        live_cores=live_cores,
        hybrid_cores=hybrid_cores,
    )


def break_even(speed: Speed, volume: Volume, prices: Prices | None = None) -> float:
    """Say at how many runs a day scoring everybody costs as much as answering those who ask.

    A stored answer is as old as the time between two runs: to have it fresher, everybody is scored
    more often. Beyond this number an endpoint is cheaper, and fresher still.

    Parameters
    ----------
    speed, volume, prices
        As :func:`monthly_costs` takes them; ``volume.runs_per_day`` is what is looked for.

    Returns
    -------
    float
        Runs a day; ``inf`` if runs cost nothing.

    Examples
    --------
    >>> speed = Speed(batch_rows_per_s=200_000, live_per_core_s=1_000)
    >>> round(break_even(speed, Volume(people=60_000, questions_per_day=2_000)))
    716
    """
    one_a_day = monthly_costs(speed, replace(volume, runs_per_day=1.0), prices)
    return one_a_day.real_time / one_a_day.batch if one_a_day.batch else math.inf


def draw_costs(
    speed: Speed,
    volume: Volume,
    prices: Prices | None = None,
    *,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw what each architecture costs a month against the time between two batch runs.

    Parameters
    ----------
    speed, volume, prices
        As :func:`monthly_costs` takes them; a dotted line marks the volume's own runs.
    ax
        Where to draw; new axes if there are none.
    """
    import numpy as np

    from capstone_lib.plots import MARKERS, PALETTE, axes_for

    hours = np.geomspace(1 / 60, 48, 60)
    rows = [
        monthly_costs(speed, replace(volume, runs_per_day=24 / float(gap)), prices) for gap in hours
    ]
    ax = axes_for(ax)
    styles: Any = zip(("batch", "hybrid", "real time"), PALETTE, MARKERS, strict=False)
    for name, colour, marker in styles:
        costs = [one.to_dict()[name] for one in rows]
        ax.plot(hours, costs, color=colour, marker=marker, markevery=8, label=name)
    if volume.runs_per_day:
        ax.axvline(24 / volume.runs_per_day, color="#666666", linestyle=":", linewidth=1)
    ax.set(
        xscale="log", yscale="log", xlabel="between two batch runs", ylabel="machines, a month",
        title=f"{volume.people:,.0f} people scored a run, "
        f"{volume.questions_per_day:,.0f} questions a day",
    )  # fmt: skip
    ax.set_xticks([1 / 60, 1 / 6, 1, 6, 24], ["1 min", "10 min", "1 h", "6 h", "24 h"])
    ax.minorticks_off()
    ax.legend()
    return ax


def _cores(questions: float, speed: Speed, prices: Prices) -> int:
    """Whole cores while questions come."""
    rate = questions / (_DAY_S * prices.duty)
    return max(prices.floor_cores, math.ceil(rate / (speed.live_per_core_s * prices.utilization)))


def _endpoint(cores: int, prices: Prices) -> float:
    hours = cores * prices.duty + prices.floor_cores * (1 - prices.duty)
    return hours * _HOURS * prices.core_hour


def _at_least(name: str, seen: Any, least: float) -> None:
    if not seen >= least:
        raise ValueError(f"{name} must be {least} or more; seen {seen!r}")
