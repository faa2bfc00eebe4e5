"""What a person types: ``capstone COMMAND``.

Exit status: 0 done; 1 the work failed; 2 the arguments are wrong; 3 it ran, and a gate says no.
Only here and in the modules beside this one is anything printed; what a command needs is imported
when the command runs.
"""

import os
import sys
import traceback
from collections.abc import Sequence

import click

from capstone_lib import __version__
from capstone_lib.cli.alerts import alerts
from capstone_lib.cli.doctor import doctor
from capstone_lib.cli.explain import explain
from capstone_lib.cli.inspect import inspect
from capstone_lib.cli.lab import lab
from capstone_lib.cli.loadtest import loadtest
from capstone_lib.cli.monitor import monitor
from capstone_lib.cli.report import report
from capstone_lib.cli.run import run
from capstone_lib.cli.score import score
from capstone_lib.cli.serve import serve
from capstone_lib.errors import CapstoneError

__all__ = ["capstone", "main"]

FAILED, WRONG_ARGUMENTS = 1, 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="capstone")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
def capstone(debug: bool) -> None:
    """Put a model to work: the course's notebooks, and the tools they teach.

    Exit status: 0 done; 1 the work failed; 2 the arguments are wrong; 3 it ran, and a gate says no.
    """


for command in (
    run,
    lab,
    doctor,
    inspect,
    score,
    serve,
    loadtest,
    monitor,
    alerts,
    explain,
    report,
):
    capstone.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = capstone.main(args=given, prog_name="capstone", standalone_mode=False)
        return int(status or 0)
    except click.UsageError as error:
        error.show()
        return WRONG_ARGUMENTS
    except click.ClickException as error:
        error.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        click.echo("capstone: interrupted", err=True)
        return FAILED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (CapstoneError, OSError) as error:
        _tell(error, debug="--debug" in given)
        return FAILED


def _tell(error: Exception, *, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    else:
        click.echo(f"capstone: {error}", err=True)
