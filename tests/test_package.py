"""The front door: light to open, and every name behind it there."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import capstone_lib as cap


def test_importing_loads_nothing_heavy():
    code = "import sys, capstone_lib; print(*{name.partition('.')[0] for name in sys.modules})"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"IPython", "jupyter_client", "matplotlib", "numpy", "onnx", "pandas", "sklearn"}
    assert not heavy & set(seen.stdout.split())


@pytest.mark.parametrize("package", ["artifact", "batch", "schema", "store"])
def test_the_engine_needs_neither_jupyter_nor_a_web_server_nor_a_plotting_library(package):
    code = (
        f"import sys, capstone_lib.{package}; print(*{{n.partition('.')[0] for n in sys.modules}})"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roof = {"IPython", "ipywidgets", "locust", "matplotlib", "starlette", "uvicorn"}
    assert not roof & set(seen.stdout.split())


@pytest.mark.parametrize("name", cap.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(cap, name).__doc__
    assert name in dir(cap)


def test_the_names_are_told_once_and_alike():
    tree = ast.parse(Path(cap.__file__).read_text())
    told = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("capstone_lib.")
        for alias in node.names
    ]
    assert cap.__all__ == sorted(cap._HOME) == sorted(told)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'exprt_model'"):
        cap.exprt_model  # noqa: B018
