"""The rollout: what an endpoint does with requests, and what a change of it must say."""

from dataclasses import dataclass, replace
from html import escape
from numbers import Real
from typing import Any, Literal

__all__ = ["Rollout", "changed"]

_ROUTES = ("stable", "degraded")


@dataclass(frozen=True)
class Rollout:
    """What an endpoint does with requests now.

    Attributes
    ----------
    route : "stable" or "degraded"
        Which route answers whoever is not in the canary.
    canary_share : float
        The share of traffic that the canary answers, 0 to 1.
    paused : bool
        Whether the canary is stopped for now, whatever its share.
    shadow : bool
        Whether the canary also scores the other requests, for the log only.
    key : int
        The change that made it so; 0: nobody has changed anything yet.
    changed_at : str
        When, as ISO time in UTC.
    who, why : str
        Who changed it, and the reason given.
    """

    route: Literal["stable", "degraded"] = "stable"
    canary_share: float = 0.0
    paused: bool = False
    shadow: bool = False
    key: int = 0
    changed_at: str = ""
    who: str = ""
    why: str = ""

    @property
    def effective_share(self) -> float:
        """The share of traffic that the canary really gets: none while it is paused.

        Examples
        --------
        >>> Rollout(canary_share=0.1).effective_share
        0.1
        >>> Rollout(canary_share=0.1, paused=True).effective_share
        0.0
        """
        return 0.0 if self.paused else self.canary_share

    def _repr_html_(self) -> str:
        said = f"changed by {self.who} at {self.changed_at}: {self.why}" if self.key else "as begun"
        cells = {
            "route": self.route,
            "canary": f"{self.canary_share:.1%}" + (" (paused)" if self.paused else ""),
            "shadow": "on" if self.shadow else "off",
            "since": said,
        }
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in cells.items()
        )
        return f"<table><tbody>{rows}</tbody></table>"


def changed(
    rollout: Rollout,
    *,
    who: str,
    why: str,
    route: str | None = None,
    canary_share: float | None = None,
    paused: bool | None = None,
    shadow: bool | None = None,
) -> Rollout:
    """The rollout after a change; what is ``None`` stays as it is.

    Raises
    ------
    ValueError
        If nothing is to be changed, a value cannot be, or nobody says who changes it and why.

    Examples
    --------
    >>> changed(Rollout(), who="Ada", why="looks good", canary_share=0.2).canary_share
    0.2
    """
    asked: dict[str, Any] = {
        "route": None if route is None else _route(route),
        "canary_share": None if canary_share is None else _share(canary_share),
        "paused": None if paused is None else _switch(paused, "paused"),
        "shadow": None if shadow is None else _switch(shadow, "shadow"),
    }
    values = {name: value for name, value in asked.items() if value is not None}
    if not values:
        raise ValueError(
            f"nothing is to be changed; give one of {', '.join(asked)}, such as canary_share=0.1"
        )
    return replace(rollout, **values, who=_said(who, "who"), why=_said(why, "why"))


def _route(value: Any) -> str:
    if value not in _ROUTES:
        raise ValueError(
            f"route is {value!r}; it must be 'stable' or 'degraded' (for a canary give "
            "canary_share=, for a shadow shadow=True)"
        )
    return str(value)


def _share(value: Any) -> float:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise ValueError(
            f"canary_share is {value!r}; it must be a number from 0 (nobody) to 1 (everybody), "
            "such as 0.1 for a tenth of the traffic"
        )
    return float(value)


def _switch(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; it must be True or False")
    return value


def _said(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        wanted = {"who": "a person or a rule", "why": "the reason"}[name]
        raise ValueError(
            f"{name} is {value!r}; every change of a rollout is recorded, so give {wanted} as text"
        )
    return value.strip()
