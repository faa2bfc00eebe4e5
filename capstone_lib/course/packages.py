"""Whether the packages that this library declares are there, are new enough, and import.

Read from the installed metadata, so that there is no second list to keep. Each is imported in
another process; when that process dies, the package it was importing is to blame and the next one
goes on.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, version

__all__ = ["check_packages", "requirements"]

_EXTRA = "course"
_ALONE = "locust"  # gevent patches the process that imports it
_TIMEOUT_S = 300
_IMPORTER = """\
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
for name in json.loads(sys.argv[1]):
    print("BEGIN", json.dumps(name), flush=True)
    try:
        importlib.import_module(name)
        why = ""
    except BaseException as error:
        why = f"{type(error).__name__}: {error}".partition("\\n")[0][:200]
    print("END", json.dumps(why), flush=True)
"""
Row = tuple[str, bool, str, str]


def requirements(name: str = "capstone-lib", *, extra: str = _EXTRA) -> dict[str, str]:
    """Return what a distribution with an extra requires: package name → version condition."""
    from packaging.requirements import Requirement

    wanted: dict[str, str] = {}
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.name == name:
            for other in sorted(requirement.extras):
                wanted |= requirements(name, extra=other)
        else:
            wanted[requirement.name] = str(requirement.specifier)
    return wanted


def check_packages() -> Iterator[Row]:
    """Yield a check for all packages together if all is well, else one for each that is not.

    A check is a name, whether it is well, what was seen, and what to do.
    """
    cure = f"install what is declared: pip install 'capstone-lib[{_EXTRA}]'"
    try:
        wanted = requirements()
    except (ImportError, PackageNotFoundError) as error:
        yield "Packages", False, f"what is needed cannot be read ({error})", cure
        return
    modules = _modules(wanted)
    bad = _versions(wanted)
    names = [modules[name] for name in wanted if name not in bad]
    broken = _import([name for name in names if name != _ALONE])
    broken |= _import([name for name in names if name == _ALONE])
    bad |= {name: broken[modules[name]] for name in wanted if modules[name] in broken}
    if not bad:
        yield "Packages", True, f"all {len(wanted)} are there, new enough, and import", ""
    for name, why in sorted(bad.items()):
        yield (
            f"Package {name}",
            False,
            why,
            cure.replace("install '", "install --force-reinstall '"),
        )


def _versions(wanted: dict[str, str]) -> dict[str, str]:
    from packaging.specifiers import SpecifierSet

    bad = {}
    for name, condition in wanted.items():
        try:
            seen = version(name)
        except PackageNotFoundError:
            bad[name] = f"is not installed; {condition} is needed"
            continue
        if not SpecifierSet(condition).contains(seen, prereleases=True):
            bad[name] = f"is version {seen}; {condition} is needed"
    return bad


def _modules(wanted: dict[str, str]) -> dict[str, str]:
    """Find under which name each distribution is imported."""
    provided: dict[str, list[str]] = {}
    for module, names in packages_distributions().items():
        for name in names:
            provided.setdefault(_plain(name), []).append(module)
    chosen = {}
    for name in wanted:
        offered = [one for one in provided.get(_plain(name), ()) if not one.startswith("_")]
        same = [one for one in offered if _plain(one) == _plain(name)]
        chosen[name] = (same or sorted(offered) or [_plain(name)])[0]
    return chosen


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _import(modules: list[str]) -> dict[str, str]:
    """Import modules elsewhere; return why for each that does not import."""
    waiting = list(modules)
    broken: dict[str, str] = {}
    while waiting:
        command = [sys.executable, "-c", _IMPORTER, json.dumps(waiting)]
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, our own code
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return broken | dict.fromkeys(waiting, f"does not import within {_TIMEOUT_S} s")
        ends = [json.loads(line[4:]) for line in done.stdout.splitlines() if line[:4] == "END "]
        found = zip(waiting, ends, strict=False)
        broken |= {name: f"does not import ({why})" for name, why in found if why}
        waiting = waiting[len(ends) :]
        if waiting:
            broken[waiting.pop(0)] = (
                f"ends the interpreter when imported (status {done.returncode})"
            )
    return broken
