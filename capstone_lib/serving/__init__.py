"""The artifact behind HTTP: one record or many, asked and answered while somebody waits."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from capstone_lib.errors import MissingExtraError

if TYPE_CHECKING:
    from capstone_lib.serving.compare import compare_routes
    from capstone_lib.serving.endpoint import Endpoint, serve
    from capstone_lib.serving.limits import Limits

__all__ = ["Endpoint", "Limits", "compare_routes", "serve"]

_HOME = {
    "Endpoint": "endpoint",
    "Limits": "limits",
    "compare_routes": "compare",
    "serve": "endpoint",
}
_EXTRA = ("msgspec", "prometheus_client", "starlette", "uvicorn")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name in _EXTRA:
            raise MissingExtraError(str(error.name), "serve") from error
        raise
