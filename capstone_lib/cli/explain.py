"""``capstone explain``: why an answer was given, done again from the log; or a batch's reasons."""

import json
from typing import Any

import click

__all__ = ["explain"]

DIFFERS = 3


@click.command("explain")
@click.argument("request_id", required=False)
@click.option("--store", required=True, metavar="URL", help="Such as sqlite:///store.db.")
@click.option(
    "--model", required=True, type=click.Path(dir_okay=False), help="The artifact that answered."
)
@click.option("--answer", type=int, metavar="KEY", help="Which of several answers for one id.")
@click.option("--run", "run_id", metavar="RUN", help="Explain a sample of this batch run instead.")
@click.option("--source", metavar="FILE", help="The run's rows, if they have moved.")
@click.option("--rows", type=click.IntRange(1), default=500, show_default=True, help="Of a run.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sample of a run.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def explain(
    request_id: str | None,
    store: str,
    model: str,
    answer: int | None,
    run_id: str | None,
    source: str | None,
    rows: int,
    seed: int,
    as_json: bool,
) -> int:
    """Do the explanation of REQUEST_ID again, from the log and the artifact.

    REQUEST_ID is the id that stood in the answer. Exit status: 0 if nothing differs from what was
    logged, to the last bit; 3 if something does, and it is told; 1 if it cannot be done.
    """
    from capstone_lib.artifact import load_model
    from capstone_lib.cli.stores import open_existing

    if (request_id is None) == (run_id is None):
        raise click.UsageError("name a REQUEST_ID, or a batch run with --run")
    artifact = load_model(model)
    with open_existing(store) as opened:
        if run_id is not None:
            return _explain_run(opened, run_id, artifact, source, rows, seed, as_json)
        assert request_id is not None
        return _explain_request(opened, request_id, artifact, answer, as_json)


def _explain_request(
    store: Any, request_id: str, artifact: Any, key: int | None, as_json: bool
) -> int:
    from capstone_lib.errors import StoreError
    from capstone_lib.explain.replay import logged_answers, replay

    answers = logged_answers(store, request_id)
    chosen = [one for one in answers if key in (None, one.key)]
    if not chosen:
        there = "; ".join(map(str, answers)) or "none at all"
        raise StoreError(
            f"the log has no such answer for the id {request_id!r}: there is {there}; is it the id "
            "that stood in the answer, and the endpoint's store?"
        )
    done = replay(chosen[-1], artifact)
    others = [one for one in answers if one is not chosen[-1]]
    if as_json:
        told = done.to_dict() | {"other_answers": [vars(one) for one in others]}
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        _show(done, others)
    return DIFFERS if done.differences else 0


def _show(done: Any, others: list[Any]) -> None:
    click.echo(str(done.answer))
    click.echo(str(done.explanation))
    said = {
        "identical": "identical: every bit is as it was logged",
        "new": "new: no explanation was asked for then; the score is as it was logged",
        "differs": "differs:",
    }
    click.echo(said[done.status])
    for line in done.differences:
        click.echo(f"  {line}")
    if others:
        click.echo("other answers for this id (--answer KEY):")
        for one in others:
            click.echo(f"  {one}")


def _explain_run(
    store: Any,
    run_id: str,
    artifact: Any,
    source: str | None,
    rows: int,
    seed: int,
    as_json: bool,
) -> int:
    from capstone_lib.explain import explain_batch

    found = explain_batch(run_id, artifact, n=rows, seed=seed, store=store, source=source)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
        return 0
    click.echo(f"{len(found):,} rows of run {run_id}, against a mean score of {found.base:.4f}")
    for one in found.importances().itertuples():
        click.echo(f"  {one.column:<24}{one.importance:>8.4f}  {one.low:.4f} – {one.high:.4f}")
    click.echo(f"kept in the store as explanation {found.key}")
    return 0
