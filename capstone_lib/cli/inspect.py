"""``capstone inspect``: an artifact's passport."""

import json

import click

__all__ = ["inspect"]


@click.command("inspect")
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the passport as JSON.")
def inspect(model: str, as_json: bool) -> int:
    """Print the passport of the artifact MODEL, an .onnx file made by this library."""
    from capstone_lib.artifact import load_model

    passport = load_model(model).passport
    if as_json:
        click.echo(json.dumps(passport.to_dict(), indent=1, ensure_ascii=False))
    else:
        click.echo(str(passport))
    return 0
