"""The report's figures, drawn from the document alone; where there is nothing to see, none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.plots import reach_of
from capstone_lib.report.svg import HEAT, INK, ONE, PAPER, QUIET, TWO, Picture, clipped, draw
from capstone_lib.report.words import between, listed, named, number, of_unit, plural, share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "draw_accuracy", "draw_columns", "draw_groups", "draw_heat", "draw_latency", "draw_overrides",
    "draw_rows",
]  # fmt: skip

_MOST_ROWS = 26
_MOST_TICKS = 24
_POINT: dict[str, Any] = {"fmt": "o", "ms": 5, "capsize": 3, "lw": 1.3}
Said = Mapping[str, Any]


def draw_rows(batch: Said) -> Iterator[Picture]:
    """Rows that each published run scored, by as-of date."""
    runs = [one for one in batch["runs"] if one["rows"] is not None and one["status"] != "failed"]
    runs.sort(key=lambda one: str(one["as_of"]))
    if len(runs) < 2:
        return
    rows, days = [one["rows"] for one in runs], [str(one["as_of"]) for one in runs]
    few, many = int(np.argmin(rows)), int(np.argmax(rows))
    alt = (
        f"Bars of the rows scored by {plural(len(runs), 'run')}: from {rows[few]:,} as of "
        f"{days[few]} to {rows[many]:,} as of {days[many]}."
    )

    def paint(ax: "Axes") -> None:
        ax.bar(range(len(rows)), rows, color=ONE, width=0.7)
        _ticks(ax, days)
        ax.yaxis.set_major_formatter("{x:,.0f}")
        ax.set(xlabel="as-of date of the run", ylabel="rows scored")
        ax.grid(visible=False, axis="x")

    caption = f"Rows scored by each run. Source: {batch['source']}."
    yield draw(paint, name="rows", alt=alt, caption=caption, height_in=2.0 + _room(days))


def draw_latency(live: Said) -> Iterator[Picture]:
    """Percentiles of the latency of each route."""
    routes = live["routes"]
    said = [
        f"{_route(one)} answered half within {_ms(one, 0)} and 99 of 100 within {_ms(one, -1)} "
        f"(n = {one['n']:,})"
        for one in routes
    ]
    names = [f"p{point['percent']:g}" for point in routes[0]["percentiles"]]

    def paint(ax: "Axes") -> None:
        for place, one in enumerate(routes):
            points = one["percentiles"]
            at = np.arange(len(points)) + 0.13 * (place - (len(routes) - 1) / 2)
            values = [point["value"] for point in points]
            low, high = ([_or_nan(p[end]) for p in points] for end in ("low", "high"))
            colour, marker = (ONE, TWO, INK, QUIET)[place % 4], "osD^"[place % 4]
            ax.errorbar(at, values, yerr=reach_of(values, low, high), color=colour,
                        label=f"{clipped(_route(one))}, n = {one['n']:,}",
                        **{**_POINT, "fmt": marker})  # fmt: skip
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_xticks(range(len(names)), names)
        ax.set(xlabel="share of answers that were quicker (percentile)", ylabel="latency (ms)")
        ax.legend(loc="upper left", fontsize="small")

    yield draw(
        paint,
        name="latency",
        alt=f"Latency by route on a logarithmic scale: {'; '.join(said)}.",
        caption=f"Latency by route, with 95 % intervals. Source: {live['source']}.",
        height_in=3.0,
    )


def draw_heat(part: Said, source: str) -> Iterator[Picture]:
    """How far each column moved in each window; only where there are several windows."""
    windows, columns = part["windows"], part["columns"][:_MOST_ROWS]
    if len(windows) < 2 or not columns:
        return
    values = np.array([[_or_nan(v) for v in row] for row in part["effect"][: len(columns)]])
    labels = [one["label"] for one in windows]
    top = max(0.1, float(np.nanmax(values)))
    row, place = np.unravel_index(int(np.nanargmax(values)), values.shape)
    real = sum(map(sum, part["real"]))
    large = [columns[y] for y, marks in enumerate(part["large"][: len(columns)]) if any(marks)]
    alt = (
        f"Heat map of {plural(len(columns), 'column')} in {plural(len(windows), 'window')} from "
        f"{windows[0]['label']} to {windows[-1]['label']}. The strongest cell is {columns[row]} in "
        f"{windows[place]['label']}, where {share(values[row, place])} of rows moved. "
        f"{plural(real, 'cell is', 'cells are')} more than chance; large in some window: "
        f"{listed(large) if large else 'no column'}."
    )

    def paint(ax: "Axes") -> None:
        from matplotlib.patches import Rectangle

        for y, column in enumerate(values):
            for x, value in enumerate(column):
                if value == value:
                    cell = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=HEAT, lw=0,
                                     alpha=max(0.03, min(1.0, float(value) / top)))  # fmt: skip
                    ax.add_patch(cell)
                if part["real"][y][x]:
                    ax.plot(x, y, ".", ms=5, color=INK)
                if part["large"][y][x]:
                    ax.plot(x, y, "o", ms=10, mfc="none", mec=INK, mew=1.2)
        ax.set(xlim=(-0.5, len(windows) - 0.5), ylim=(len(columns) - 0.5, -0.5))
        _ticks(ax, labels)
        ax.set_yticks(range(len(columns)), [clipped(one) for one in columns])
        ax.grid(visible=False)
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.tick_params(length=0)

    shown = f"{len(columns)} of {len(part['columns'])} columns, " if len(columns) < len(
        part["columns"]) else ""  # fmt: skip
    n = [one["n"] for one in windows if one["n"] is not None]
    size = f"n = {min(n):,} to {max(n):,} rows a window" if n else "n not known"
    caption = (
        f"Share of {part['traffic']} rows that moved, by column and window: {shown}darkest at "
        f"{share(top)}; dot: more than chance; ring: large too. {size}. Source: {source}."
    )
    name, height = f"heat-{part['traffic']}", 0.6 + 0.21 * len(columns) + _room(labels)
    yield draw(paint, name=name, alt=alt, caption=caption, height_in=height)


def draw_columns(part: Said, source: str) -> Iterator[Picture]:
    """The strongest columns of the newest window, with intervals."""
    newest = part["newest"]
    some = [one for one in newest["features"] if one["value"] is not None][:12]
    if not some:
        return
    real = [one for one in some if one["note"].startswith("real")]
    said = [
        f"{one['feature']} {share(one['value'])} ({between(one['low'], one['high'], 'share')})"
        for one in (real or some)[:4]
    ]
    verdict = (
        f"more than chance: {'; '.join(said)}"
        if real
        else f"none is more than chance, the strongest is {said[0]}"
    )

    def paint(ax: "Axes") -> None:
        for y, one in enumerate(some):
            strong = one["note"].startswith("real")
            colour = TWO if one["large"] else ONE if strong else QUIET
            _point(ax, y, one, colour=colour, filled=strong, marker="D" if one["large"] else "o")
        _rows(ax, [clipped(one["feature"]) for one in some])
        ax.set_xlabel("rows that moved, beyond what chance adds (%)")

    alt = (
        f"Drift of the {plural(len(some), 'column')} that moved most, {newest['label']}: {verdict}."
    )
    caption = (
        f"Drift effect of {part['traffic']} rows, {newest['label']}, with 95 % intervals; hollow: "
        f"no more than chance; diamond: large. n = {some[0]['n']:,}. Source: {source}."
    )
    name = f"columns-{part['traffic']}"
    yield draw(paint, name=name, alt=alt, caption=caption, height_in=0.9 + 0.23 * len(some))


def draw_groups(part: Said, source: str) -> Iterator[Picture]:
    """One rate of every group: a point, its interval and how many people it speaks of."""
    rate = main_rate(part)
    if not rate:
        return
    rows = [
        (feature["feature"], group["group"], group["rates"][rate])
        for feature in part["features"]
        for group in feature["groups"]
        if rate in group["rates"]
    ]
    chunks = [rows[k : k + _MOST_ROWS] for k in range(0, len(rows), _MOST_ROWS)]
    for place, some in enumerate(chunks):
        yield _groups(part, rate, some, source, name=f"groups-{part['traffic']}-{place}")


def main_rate(part: Said) -> str:
    """The rate that is drawn: wrongly decided positive, if that is known."""
    known = {
        name
        for feature in part["features"]
        for group in feature["groups"]
        for name, one in group["rates"].items()
        if one["value"] is not None
    }
    preferred = sorted(known, key=lambda name: (not name.startswith("false_positive"), name))
    return preferred[0] if preferred else ""


def _groups(part: Said, rate: str, rows: Sequence[Any], source: str, *, name: str) -> Picture:
    known = [(group, one) for _, group, one in rows if one["value"] is not None]
    judged = [pair for pair in known if pair[1]["judged"]] or known
    words = named(rate)
    alt = f"{words} of {plural(len(rows), 'group')}, {part['label']}: "
    if judged:
        low = min(judged, key=lambda pair: pair[1]["value"])
        high = max(judged, key=lambda pair: pair[1]["value"])
        alt += f"from {_group_said(*low)} to {_group_said(*high)}"
    alt += f"; {plural(len(rows) - len(judged), 'group is', 'groups are')} too small to be judged."

    def paint(ax: "Axes") -> None:
        for y, (_, _, one) in enumerate(rows):
            if one["value"] is None:
                ax.text(0.01, y, "not defined", va="center", fontsize="small", color=QUIET,
                        transform=ax.get_yaxis_transform())  # fmt: skip
                continue
            _point(ax, y, one, colour=ONE if one["judged"] else QUIET, filled=one["judged"])
        for y in range(1, len(rows)):
            if rows[y][0] != rows[y - 1][0]:
                ax.axhline(y - 0.5, color=QUIET, lw=0.8)
        _rows(ax, [f"{clipped(group)}   n = {one['n']:,}" for _, group, one in rows])
        ax.set(xlim=(-2, 102), xlabel=f"{words} (%)")

    caption = (
        f"{words[:1].upper()}{words[1:]} by group, {part['traffic']} rows of {part['label']}, with "
        f"95 % intervals; hollow: too few people to be judged. n beside each group. Source: "
        f"{source}."
    )
    height = 0.9 + 0.22 * len(rows)
    return draw(paint, name=name, alt=alt, caption=caption, height_in=height)


def draw_accuracy(part: Said, source: str) -> Iterator[Picture]:
    """Accuracy by window: estimated before outcomes are known, realized after."""
    windows = part["windows"]
    if len(windows) < 2:
        return
    labels = [one["label"] for one in windows]
    kinds = (("estimated", ONE, "s", -0.09), ("realized", TWO, "o", 0.09))
    said = []
    for kind, *_ in kinds:
        known = [(one["label"], one[kind]["value"]) for one in windows if one[kind] is not None]
        if known:
            low, high = (f(known, key=lambda pair: pair[1]) for f in (min, max))
            said.append(f"{kind} from {share(low[1])} in {low[0]} to {share(high[1])} in {high[0]}")

    def paint(ax: "Axes") -> None:
        for kind, colour, marker, shift in kinds:
            at = [x for x, one in enumerate(windows) if one[kind] is not None]
            some = [windows[x][kind] for x in at]
            if not some:
                continue
            value, low, high = (
                [100 * _or_nan(one[name]) for one in some] for name in ("value", "low", "high")
            )
            ax.errorbar(np.array(at) + shift, value, yerr=reach_of(value, low, high), color=colour,
                        label=kind, **{**_POINT, "fmt": marker})  # fmt: skip
        _ticks(ax, labels)
        ax.set(xlabel="window", ylabel="accuracy (%)")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.1)

    n = [one[kind]["n"] for one in windows for kind, *_ in kinds if one[kind] is not None]
    caption = (
        f"Accuracy of {part['traffic']} answers by window, with 95 % intervals. n = {min(n):,} to "
        f"{max(n):,} rows a window. Source: {source}."
    )
    alt = f"Accuracy in {plural(len(windows), 'window')}: {'; '.join(said)}."
    name = f"accuracy-{part['traffic']}"
    yield draw(paint, name=name, alt=alt, caption=caption, height_in=2.3 + _room(labels))


def draw_overrides(reviews: Said) -> Iterator[Picture]:
    """How often reviewers said otherwise than the model, by group."""
    some = [one for one in reviews["by_group"] if one["value"] is not None][:_MOST_ROWS]
    if len(some) < 2:
        return
    ends = [f(some, key=lambda one: one["value"]) for f in (min, max)]
    low, high = (_group_said(one["group"], one) for one in ends)

    def paint(ax: "Axes") -> None:
        for y, one in enumerate(some):
            _point(ax, y, one, colour=ONE, filled=True)
        _rows(ax, [f"{clipped(one['group'])}   n = {one['n']:,}" for one in some])
        ax.set(xlim=(-2, 102), xlabel="decided otherwise than the model (%)")

    yield draw(
        paint,
        name="overrides",
        alt=f"Override rate of {plural(len(some), 'group')}: from {low} to {high}.",
        caption="Override rate by group, with 95 % intervals; n cases beside each. Source: "
        f"{reviews['source']}.",
        height_in=0.9 + 0.22 * len(some),
    )


def _point(
    ax: "Axes", y: float, one: Said, *, colour: str, filled: bool, marker: str = "o"
) -> None:
    value, low, high = (100 * _or_nan(one[name]) for name in ("value", "low", "high"))
    look = _POINT | {"fmt": marker, "mfc": colour if filled else PAPER}
    reach = reach_of([value], [low], [high])
    ax.errorbar(value, y, xerr=reach, color=colour, clip_on=False, **look)


def _rows(ax: "Axes", names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")


def _ticks(ax: "Axes", names: Sequence[str]) -> None:
    step = -(-len(names) // _MOST_TICKS)
    at = list(range(0, len(names), step))
    ax.set_xticks(at, [clipped(names[x]) for x in at], rotation=90 if _room(names) else 0)


def _room(names: Sequence[str]) -> float:
    """How high names below an axis stand, in inches, if they must stand upright."""
    if len(names) * max(map(len, names)) <= 60:
        return 0.0
    return 0.08 * max(len(clipped(name)) for name in names)


def _route(one: Said) -> str:
    return f"{one['route']} ({one['model']} {one['version']})"


def _ms(one: Said, place: int) -> str:
    return f"{number(one['percentiles'][place]['value'])} ms"


def _group_said(group: str, one: Said) -> str:
    interval = between(one["low"], one["high"], "share")
    return f"{of_unit(one['value'], 'share')} for {group} ({interval}, n = {one['n']:,})"


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
