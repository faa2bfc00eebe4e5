"""An environment for FastAPI, which is no dependency of Capstone: made once, kept in a cache."""

import hashlib
import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["fastapi_python", "versions_of"]

PACKAGES = [
    "fastapi",
    "uvicorn[standard]",
    "onnxruntime",
    "scikit-learn",
    "pandas",
    "joblib",
]
LOCK = Path(__file__).parents[2] / "requirements.lock"


def fastapi_python() -> Path:
    """The interpreter of the environment, with the versions of our lock."""
    pins = pinned()
    key = hashlib.sha256("\n".join([sys.version, *PACKAGES, pins]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "capstone-benchmarks" / f"fastapi-{key}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "ready").exists():
        print(f"installing FastAPI into {folder}", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        (folder / "constraints.txt").write_text(pins)
        install = [python, "-m", "pip", "install", "-q", "-c", folder / "constraints.txt"]
        subprocess.run([*install, *PACKAGES], check=True)
        (folder / "ready").touch()
    return python


def versions_of(python: Path) -> dict[str, str]:
    """What is compared with."""
    names = ["fastapi", "pydantic", "starlette", "uvicorn", "onnxruntime", "scikit-learn"]
    code = "import json, sys; from importlib.metadata import version; "
    code += "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    command = [python, "-c", code, *names]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def pinned() -> str:
    """The lock without its hashes, which pip would ask of FastAPI too."""
    return "\n".join(re.findall(r"^[\w.-]+==[^\\\n]+", LOCK.read_text(), re.MULTILINE))
