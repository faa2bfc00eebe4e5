"""Environments for what Capstone is compared with: made once, kept in a cache."""

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["python_of", "versions_of"]


def python_of(name: str, packages: list[str], *, constraints: str = "") -> Path:
    """The interpreter of an environment that holds these packages."""
    key = hashlib.sha256("\n".join([sys.version, *packages, constraints]).encode()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "capstone-benchmarks" / f"{name.lower()}-{key[:12]}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "ready").exists():
        print(f"installing {name} into {folder}", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        (folder / "constraints.txt").write_text(constraints)
        install = [python, "-m", "pip", "install", "-q", "-c", folder / "constraints.txt"]
        subprocess.run([*install, *packages], check=True)
        (folder / "ready").touch()
    return python


def versions_of(python: Path, names: list[str]) -> dict[str, str]:
    """What is compared with."""
    code = "import json, sys; from importlib.metadata import version; "
    code += "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    command = [python, "-c", code, *names]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
