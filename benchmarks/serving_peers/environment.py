"""An environment for FastAPI, which is no dependency of Capstone."""

import re
from pathlib import Path

import environments

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
    return environments.python_of("fastapi", PACKAGES, constraints=pinned())


def versions_of(python: Path) -> dict[str, str]:
    """What is compared with."""
    names = ["fastapi", "pydantic", "starlette", "uvicorn", "onnxruntime", "scikit-learn"]
    return environments.versions_of(python, names)


def pinned() -> str:
    """The lock without its hashes, which pip would ask of FastAPI too."""
    return "\n".join(re.findall(r"^[\w.-]+==[^\\\n]+", LOCK.read_text(), re.MULTILINE))
