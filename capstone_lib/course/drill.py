"""The whole loop in one script, with real parts: from a broken client to a reviewer's answer.

    python -m capstone_lib.course.drill [--workspace DIR]

Census people of 2016 stream, month by month, through a batch and an endpoint of two workers with a
canary. A month is quiet. In the next the live client fills in defaults, and what the playbook says
is done to the running endpoint. It is mended; then women of 25 to 54 lose their work (simulated),
outcomes come in, and the queue of the reviewers fills. The reviewer is simulated.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from capstone_lib.course.facts import Facts, Passed
from capstone_lib.course.lines import Line, lines_to, wait_for, wait_for_all
from capstone_lib.course.playbooks import course_playbook
from capstone_lib.course.reviewer import SimulatedReviewer
from capstone_lib.course.stream import Month, measure_month, month_of, play
from capstone_lib.course.workspace import Workspace

if TYPE_CHECKING:
    from capstone_lib.alerts import Alert
    from capstone_lib.alerts.records import ActionRecord
    from capstone_lib.store import Store

__all__ = ["WORKERS", "run_drill"]

WORKERS = 2
_CANARY_SHARE = 0.2


def run_drill(
    folder: str | Path,
    *,
    rows: int = 1_500,
    n_cases: int = 10,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Facts:
    """Go through the whole loop, and return what happened.

    Parameters
    ----------
    folder : str or Path
        A workspace; what it lacks is made. Its store must be new.
    rows : int, default 1500
        People a month.
    n_cases : int, default 10
        How many the simulated reviewer decides.
    seed : int, default 0
        Of the people, of what goes wrong, and of the reviewer's errors.
    say : callable, optional
        Told each step in a line.
    """
    ws = Workspace(folder)
    for note in ws.provide("artifact", "canary", "fallback").notes:
        say(note)
    with ws.store() as store, _serving(ws, store) as url:
        return _Drill(ws, store, url, rows, seed, say).run(n_cases)


@contextmanager
def _serving(ws: Workspace, store: "Store") -> Iterator[str]:
    from capstone_lib.serving import serve

    store.change_rollout(who="the drill", why="try 2.0.0", canary_share=_CANARY_SHARE)
    with serve(
        ws.model,
        store=store,
        canary=ws.canary,
        fallback=ws.fallback,
        mode="process",
        workers=WORKERS,
    ) as endpoint:
        yield endpoint.url


class _Drill:
    """The steps, in their order."""

    def __init__(
        self,
        ws: Workspace,
        store: "Store",
        url: str,
        rows: int,
        seed: int,
        say: Callable[[str], None],
    ) -> None:
        from capstone_lib.alerts import AlertBook
        from capstone_lib.data import load_census

        self.census, self.artifact, self.playbook = load_census(), ws.artifact(), course_playbook()
        self.store, self.url, self.seed, self.rows, self.say = store, url, seed, rows, say
        self.book = AlertBook(store)
        self.told = 0

    def run(self, n_cases: int) -> Facts:
        facts: dict[str, Any] = {"months": {}}
        with lines_to(self.url, workers=WORKERS) as lines:
            facts["workers"] = tuple(line.worker for line in lines)
            facts["before"] = _rollouts(lines)
        self.say(f"two workers serve: {facts['workers']}; the canary has {_CANARY_SHARE:.0%}")
        facts["months"]["quiet"] = self.pass_month("2016-01")
        facts |= self.break_the_client(facts["months"])
        facts |= self.mend_the_client(facts["months"])
        facts |= self.lose_work(facts["months"])
        return Facts(**facts, **self.review(facts["months"]["lost"].month, n_cases))

    def pass_month(self, name: str, **wrong: str) -> Passed:
        """Let a month pass, measure it, and act on what is found."""
        month = self._play(name, **wrong)
        return self._judge(month)[0]

    def break_the_client(self, months: dict[str, Passed]) -> dict[str, Any]:
        """The live client fills in defaults; the alerts of that month reach both workers."""
        month = self._play("2016-02", client="live_defaults")
        with lines_to(self.url, workers=WORKERS) as lines:
            passed, began = self._judge(month)
            wait_for_all(lines, paused=True, route="degraded")
            took = time.monotonic() - began
            found = {"braked": _rollouts(lines), "braked_s": took}
            found["degraded_answers"] = self._ask(lines, month, place=0)
        again = self._act(passed.alerts, month)
        months["broken"] = passed
        self.say(f"both workers: paused, degraded route, {took:.2f} s after the alerts")
        self.say(f"a second run of the same month does {len(again)} more actions")
        return {**found, "acted_twice": len(again)}

    def mend_the_client(self, months: dict[str, Passed]) -> dict[str, Any]:
        """A person sees it, mends the client and takes the degraded route back."""
        raised = self.book.open()
        parity = raised[raised["rule"] == "parity"]["alert_id"].iloc[0]
        self.book.acknowledge(parity, who="Ada", now=months["broken"].month.window[1])
        with lines_to(self.url, workers=WORKERS) as lines:
            began = time.monotonic()
            done = self.book.undo(parity, "degrade_route", who="Ada", why="the client is mended")
            wait_for_all(lines, route="stable")
            took, found = time.monotonic() - began, _rollouts(lines)
        self.say(f"Ada undoes degrade_route: {done.result}; both workers follow in {took:.2f} s")
        months["mended"] = self.pass_month("2016-03")
        return {"recovered": found, "recovered_s": took}

    def lose_work(self, months: dict[str, Passed]) -> dict[str, Any]:
        """Women of 25 to 54 lose their work; no feature shows it, but the outcomes do."""
        from capstone_lib.review import ReviewQueue

        months["lost"] = self.pass_month("2016-04", world="job_losses_women")
        unequal = [one for one in months["lost"].alerts if one.rule.name == "unequal_errors"]
        cases = ReviewQueue(self.store).cases()
        self.say(f"{len(cases)} cases wait for reviewers")
        return {"cases": len(cases), "audited_group": unequal[0].group if unequal else ""}

    def review(self, month: Month, n_cases: int) -> dict[str, Any]:
        """A simulated reviewer decides, and its answers come back."""
        truth = month.people.set_index("row_id")[month.target]
        reviewer = SimulatedReviewer(truth.to_dict(), seed=self.seed)
        made = reviewer.work(reviewer.desk(self.store), n=n_cases)
        over = {int(one.row_id): one.label for one in made if one.verdict == "override"}
        self.say(f"{reviewer.name} decides {len(made)} cases and overrides {len(over)}")
        began = time.monotonic()
        with lines_to(self.url, workers=WORKERS) as lines:
            asked = month.people[month.people["row_id"].isin(over)]

            def answers() -> dict[int, tuple[dict[str, Any], ...]]:
                places = zip(asked["row_id"], asked.index, strict=True)
                return {int(who): self._ask(lines, month, place=at) for who, at in places}

            wait_for(
                lambda: all("decided_by" in one for two in answers().values() for one in two),
                what="the answers of both workers",
            )
            took, live = time.monotonic() - began, answers()
        self.say(f"both workers answer as the reviewer decided, {took:.2f} s after the last case")
        latest = self.store.predictions(as_of=month.as_of).set_index("row_id")
        batch = {
            who: (latest.loc[who, "label"], str(latest.loc[who, "decided_by"])) for who in over
        }
        self.say(f"the batch's readers, too: {len(batch)} of {len(latest):,} labels")
        return {
            "decisions": tuple(made),
            "overridden": over,
            "live_answers": live,
            "batch_answers": batch,
            "overridden_s": took,
        }

    def _play(self, name: str, **wrong: str) -> Month:
        month = month_of(self.census, name, rows=self.rows, seed=self.seed, **wrong)
        self.say(f"\n{month!r}")
        play(month, url=self.url, artifact=self.artifact, store=self.store, workers=WORKERS)
        return month

    def _judge(self, month: Month) -> tuple[Passed, float]:
        """Measure, evaluate and act; and when the acting began."""
        from capstone_lib.alerts import evaluate_alerts

        found = measure_month(month, self.artifact, self.store)
        alerts = evaluate_alerts(
            self.playbook,
            found,
            history=self.store.measurements(),
            silences=self.book.silences(),
        )
        firing = tuple(one for one in alerts if one.state == "firing")
        began = time.monotonic()
        done = self._act(alerts, month)
        self.say(f"{len(found)} measurements, {len(firing)} alerts fire")
        for one in firing:
            self.say(f"  {one.title}")
        for record in done:
            self.say(f"  {record.action}: {record.result or record.error}")
        rules = tuple(dict.fromkeys(one.rule.name for one in firing))
        return Passed(month, len(found), rules, firing, tuple(done)), began

    def _act(self, alerts: "Sequence[Alert]", month: Month) -> "list[ActionRecord]":
        from capstone_lib.alerts import act

        return act(
            alerts,
            self.store,
            playbook=self.playbook,
            artifact=self.artifact,
            source=month.people,
            who="the drill",
            now=month.window[1],
        )

    def _ask(
        self, lines: Sequence[Line], month: Month, *, place: Any
    ) -> tuple[dict[str, Any], ...]:
        """What each worker says of one person."""
        one = month.people.loc[place]
        features = {name: one[name] for name in self.artifact.schema.names}
        return tuple(line.predict(features, one["row_id"]) for line in lines)


def _rollouts(lines: Sequence[Line]) -> tuple[dict[str, Any], ...]:
    return tuple(line.rollout() for line in lines)


@click.command()
@click.option("--workspace", type=click.Path(file_okay=False), help="Kept; else a passing one.")
@click.option("--rows", type=click.IntRange(1_000), default=1_500, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(workspace: str | None, rows: int, seed: int) -> None:
    """Go through the whole loop, and say what happens."""
    began = time.monotonic()
    if workspace is not None:
        run_drill(workspace, rows=rows, seed=seed, say=click.echo)
    else:
        with TemporaryDirectory() as folder:
            run_drill(Path(folder) / "work", rows=rows, seed=seed, say=click.echo)
    click.echo(f"\nthe drill took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
