"""``capstone doctor``: whether everything is here that the course needs."""

import json
from dataclasses import asdict

import click

__all__ = ["doctor"]


@click.command("doctor")
@click.option("--workspace", metavar="DIR", help="The workspace to check.  [default: work]")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def doctor(workspace: str | None, as_json: bool) -> int:
    """Check Python, packages, kernel, memory, port, disk, workspace and data; say what to do.

    Exit status 1 if anything is not as it should be.
    """
    from capstone_lib.course.doctor import checks

    found = []
    for check in checks(workspace):
        found.append(check)
        if not as_json:
            click.echo(f"{'✓' if check.ok else '✗'} {check.name}: {check.detail}")
            if not check.ok:
                click.echo(f"  → {check.cure}")
    healthy = all(check.ok for check in found)
    if as_json:
        document = {"healthy": healthy, "checks": [asdict(check) for check in found]}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    return 0 if healthy else 1
