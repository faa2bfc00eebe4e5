"""From a TOML table to a playbook: every mistake is found, and told with its line and a cure."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from capstone_lib.alerts.lines import Lines
from capstone_lib.alerts.playbook import Playbook, Webhook
from capstone_lib.alerts.rule import ACTIONS, COMPARISONS, SEVERITIES, BurnRate, NoiseFloor, Rule
from capstone_lib.alerts.sense import is_address, nonsense_in
from capstone_lib.errors import PlaybookError

__all__ = ["read_playbook"]

_CHOICES = {
    "comparison": COMPARISONS,
    "use": ("value", "low", "high"),
    "traffic": ("*", "batch", "live"),
    "severity": SEVERITIES,
    "alert_per": ("rule", "feature", "group"),
}
_TEXTS = ("name", "measurement", "owner", "why", "what_to_do", "feature", "group", *_CHOICES)
_REQUIRED = ("name", "measurement", "threshold", "owner", "why", "what_to_do")
_COUNTS = {"min_n": 0, "for_windows": 1, "clear_windows": 1}
_LISTS = ("but_not", "actions")
_KEYS = (*_TEXTS, "threshold", "clear_threshold", *_COUNTS, *_LISTS)
_TOP = ("sla_ms", "max_replicas", "own_measurements", "rule", "webhook")
_TOO_LARGE = 10**300  # no float
_FLOOR: dict[str, type] = {"noise_floor": float}
_BURN: dict[str, type] = {"burn_rate": float, "budget": float, "short": str, "long": str}
_WORDS = {str: 'text in quotes, such as "here"', float: "a number", int: "a whole number",
          list: 'a list of texts, such as ["ticket"]'}  # fmt: skip


@dataclass
class _Reader:
    """The file that is read, and what is wrong with it."""

    path: str
    lines: Lines
    own: tuple[str, ...] = ()
    problems: list[tuple[int, str]] = field(default_factory=list)

    def wrong(self, text: str, *place: Any) -> None:
        self.problems.append((self.lines.of_key(*place), text))


def read_playbook(table: dict[str, Any], text: str, *, path: str = "") -> Playbook:
    """Make a playbook of what ``tomllib`` has read.

    Parameters
    ----------
    table : dict
    text : str
        The file's own text, for line numbers.
    path : str
        The file's name, for messages.

    Raises
    ------
    PlaybookError
        With every mistake; ``problems`` has them one by one as ``(line, text)``.
    """
    reader = _Reader(path or "playbook", Lines.of(text))
    _unknown_keys(reader, table, _TOP, "", 0, "the playbook")
    reader.own = tuple(_list(reader, table, "own_measurements", "", 0) or ())
    sla_ms = _number(reader, table, "sla_ms", "", 0, default=100.0)
    if sla_ms is not None and not 0 < sla_ms < float("inf"):
        reader.wrong(f"sla_ms is {sla_ms:g}; give milliseconds above 0", "", 0, "sla_ms")
    replicas = table.get("max_replicas", 4)
    if type(replicas) is not int or not 1 <= replicas <= 1000:
        seen = f"max_replicas is {replicas!r}; give a whole number from 1 to 1000"
        reader.wrong(seen, "", 0, "max_replicas")
    webhook = _webhook(reader, table["webhook"]) if "webhook" in table else None
    tables = table.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        reader.wrong("a rule begins with [[rule]], two brackets on either side", "rule", 0)
        tables = []
    elif not tables:
        reader.wrong("there is no rule; begin one with [[rule]]", "rule", 0)
    rules = [_rule(reader, one, place) for place, one in enumerate(tables)]
    _twice(reader, tables)
    if "webhook" not in table:
        for place, one in enumerate(tables):
            if isinstance(one.get("actions"), list) and "webhook" in one["actions"]:
                reader.wrong(
                    "the action 'webhook' has no address to tell; add [webhook] with a url, or "
                    "leave the action out",
                    "rule", place, "actions",
                )  # fmt: skip
    if reader.problems:
        raise _refusal(reader)
    return Playbook(
        tuple(rule for rule in rules if rule is not None),
        webhook,
        sla_ms or 100.0,
        path,
        max_replicas=replicas,
    )


def _refusal(reader: _Reader) -> PlaybookError:
    problems = sorted(dict.fromkeys(reader.problems))
    n = len(problems)
    head = f"{reader.path}: {n} mistake{'s' if n > 1 else ''}, so no rule of it counts"
    lines = [f"  {reader.path}:{line}: {text}" for line, text in problems]
    return PlaybookError("\n".join([head, *lines]), tuple(problems))


def _rule(reader: _Reader, table: dict[str, Any], place: int) -> Rule | None:
    """Read one rule; None if something is wrong with it."""
    before = len(reader.problems)
    _unknown_keys(reader, table, _KEYS, "rule", place, "a rule")
    strange = [key for key in table if key not in _KEYS]
    for key in _REQUIRED:
        if key not in table and not get_close_matches(key, strange):
            reader.wrong(f"{_named(table)} has no {key!r}; {_MISSING[key]}", "rule", place)
    values: dict[str, Any] = {key: _text(reader, table, key, place) for key in _TEXTS}
    for key, allowed in _CHOICES.items():
        _one_of(reader, values[key], allowed, key, place)
    values |= {key: _count(reader, table, key, place, least) for key, least in _COUNTS.items()}
    values |= {key: _list(reader, table, key, "rule", place) for key in _LISTS}
    for action in values["actions"] or ():
        _one_of(reader, action, tuple(ACTIONS), "actions", place)
    values["threshold"] = _threshold(reader, table, place)
    values["clear_threshold"] = _number(reader, table, "clear_threshold", "rule", place)
    given = {key: value for key, value in values.items() if value is not None}
    if len(reader.problems) > before:
        return None
    if given.get("group") and "feature" not in given:
        given["feature"] = "*"  # a group is always one of some feature
    rule = Rule(**given)
    for key, text in nonsense_in(rule, own=reader.own):
        reader.wrong(f"{_named(table)}: {text}", "rule", place, key)
    return rule if len(reader.problems) == before else None


_MISSING = {
    "name": 'every rule has one, such as name = "late_batch"',
    "measurement": 'say which number it looks at, such as measurement = "latency_p99"',
    "threshold": "say from where on it is too much, such as threshold = 0.1",
    "owner": "say who is asked to do something; an alert that belongs to nobody is read by nobody",
    "why": "say in a sentence why it matters; who is woken by it will ask",
    "what_to_do": "say in a sentence what to do; an alert that nobody can act on is noise",
}


def _named(table: dict[str, Any]) -> str:
    name = table.get("name")
    return f"rule {name!r}" if isinstance(name, str) and name else "this rule"


def _twice(reader: _Reader, tables: list[dict[str, Any]]) -> None:
    first: dict[str, int] = {}
    for place, one in enumerate(tables):
        name = one.get("name")
        if isinstance(name, str) and name in first:
            line = reader.lines.of_key("rule", first[name], "name")
            reader.wrong(
                f"rule {name!r} stands in line {line} already; give this one another name",
                "rule", place, "name",
            )  # fmt: skip
        elif isinstance(name, str):
            first[name] = place


def _webhook(reader: _Reader, table: Any) -> Webhook | None:
    if not isinstance(table, dict):
        reader.wrong("[webhook] is a table with a url; there is one only", "webhook", 0)
        return None
    before = len(reader.problems)
    keys = ("url", "timeout_s", "tries", "token_env")
    _unknown_keys(reader, table, keys, "webhook", 0, "[webhook]")
    url = table.get("url")
    if not is_address(url):
        seen = "no url" if url is None else "this url is no address"  # it may hold a secret
        reader.wrong(
            f'[webhook]: {seen}; give url = "https://…", the address that is told of alerts',
            "webhook", 0, "url",
        )  # fmt: skip
    timeout = _number(reader, table, "timeout_s", "webhook", 0, default=5.0)
    tries = table.get("tries", 4)
    token = table.get("token_env", "")
    if timeout is not None and not 0 < timeout <= 60:
        reader.wrong(
            f"[webhook]: timeout_s is {timeout:g}; give seconds above 0, 60 at most",
            "webhook", 0, "timeout_s",
        )  # fmt: skip
    if not _is_int(tries) or not 1 <= tries <= 10:
        reader.wrong(
            f"[webhook]: tries is {tries!r}; give a whole number from 1 to 10",
            "webhook", 0, "tries",
        )  # fmt: skip
    if not isinstance(token, str):
        reader.wrong(
            f"[webhook]: token_env is {token!r}; give the name of an environment variable in "
            "quotes",
            "webhook", 0, "token_env",
        )  # fmt: skip
    if len(reader.problems) > before or timeout is None:
        return None
    return Webhook(str(url), timeout, int(tries), token)


def _threshold(reader: _Reader, table: dict[str, Any], place: int) -> Any:
    given = table.get("threshold")
    if not isinstance(given, dict):
        return _number(reader, table, "threshold", "rule", place)
    keys = _BURN if {*_BURN} & {*given} else _FLOOR
    before = len(reader.problems)
    for key in given:
        if key not in keys:
            reader.wrong(
                f"{_named(table)}: this threshold has no {key!r}{_near(key, [*_FLOOR, *_BURN])}; "
                "write a number, { noise_floor = 0.95 }, or { burn_rate = 14.4, budget = 0.01, "
                'short = "5m", long = "1h" }',
                *("rule", place, "threshold"),
            )
    for key, type_ in keys.items():
        if key not in given and len(reader.problems) == before:
            reader.wrong(
                f"{_named(table)}: the threshold has no {key!r}; it needs {', '.join(keys)}",
                *("rule", place, "threshold"),
            )
        elif key in given and not _is(given[key], type_):
            reader.wrong(
                f"{_named(table)}: {key} is {given[key]!r}; give {_WORDS[type_]}",
                *("rule", place, "threshold"),
            )
    if len(reader.problems) > before:
        return None
    if keys is _FLOOR:
        return NoiseFloor(float(given["noise_floor"]))
    numbers = float(given["burn_rate"]), float(given["budget"])
    return BurnRate(*numbers, given["short"], given["long"])


def _unknown_keys(
    reader: _Reader, table: dict[str, Any], keys: tuple[str, ...], name: str, place: int, what: str
) -> None:
    for key in table:
        if key not in keys:
            reader.wrong(
                f"{what} has no key {key!r}{_near(key, keys)}; there are {', '.join(keys)}",
                name if name or not isinstance(table[key], dict | list) else key, place,
                key if name or not isinstance(table[key], dict | list) else "",
            )  # fmt: skip


def _text(reader: _Reader, table: dict[str, Any], key: str, place: int) -> str | None:
    if key not in table:
        return None
    value = table[key]
    if not isinstance(value, str):
        reader.wrong(f"{_named(table)}: {key} is {value!r}; give {_WORDS[str]}", "rule", place, key)
        return None
    if key in _REQUIRED and not value.strip():
        reader.wrong(f"{_named(table)}: {key} is empty; {_MISSING[key]}", "rule", place, key)
        return None
    return value


def _count(reader: _Reader, table: dict[str, Any], key: str, place: int, least: int) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    if not _is_int(value) or value < least:
        reader.wrong(
            f"{_named(table)}: {key} is {value!r}; give a whole number, {least} or more",
            "rule", place, key,
        )  # fmt: skip
        return None
    return int(value)


def _number(
    reader: _Reader,
    table: dict[str, Any],
    key: str,
    name: str,
    place: int,
    *,
    default: float | None = None,
) -> float | None:
    value = table.get(key, default)
    if value is None:
        return None
    if not _is(value, float) or value != value:
        what = "a number or a table in braces" if key == "threshold" else "a number"
        said = f"{_named(table)}: " if name == "rule" else ""
        quoted = "; leave the quotes out" if isinstance(value, str) else ""
        reader.wrong(f"{said}{key} is {value!r}; give {what}{quoted}", name, place, key)
        return None
    return float(value)


def _list(
    reader: _Reader, table: dict[str, Any], key: str, name: str, place: int
) -> tuple[str, ...] | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        said = f"{_named(table)}: " if name == "rule" else ""
        reader.wrong(f"{said}{key} is {value!r}; give {_WORDS[list]}", name, place, key)
        return None
    return tuple(value)


def _one_of(
    reader: _Reader, value: str | None, allowed: tuple[str, ...], key: str, place: int
) -> None:
    if value is not None and value not in allowed:
        reader.wrong(
            f"{key} has {value!r}, which is none{_near(value, allowed)}; there are "
            f"{', '.join(allowed)}",
            "rule", place, key,
        )  # fmt: skip


def _near(word: str, known: Any) -> str:
    found = get_close_matches(word, list(known), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _is(value: Any, type_: type) -> bool:
    if type_ is float:
        return isinstance(value, float) or (_is_int(value) and abs(value) < _TOO_LARGE)
    return isinstance(value, type_)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
