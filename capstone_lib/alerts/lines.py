"""In which line of a TOML file something stands, for messages. Only for text that TOML accepts."""

import re
from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Lines"]

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]")
_ASSIGNED = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=\s*(.*)", re.DOTALL)
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    + r"|'''.*?'{3,5}"
    + r'|"(?:[^"\\\n]|\\.)*"'
    + r"|'[^'\n]*'|#[^\n]*",
    re.DOTALL,
)


@dataclass
class Lines:
    r"""Lines by table and key.

    Attributes
    ----------
    tables : dict
        ``("rule", 0)`` to the line of the first ``[[rule]]``; ``("webhook", 0)``.
    keys : dict
        ``("rule", 0, "name")`` to the line; the outermost table is ``("", 0)``.

    Examples
    --------
    >>> lines = Lines.of('sla_ms = 5\n\n[[rule]]\nname = "a"\n[[rule]]\nname = "b"\n')
    >>> lines.of_key("rule", 1, "name"), lines.of_key("", 0, "sla_ms"), lines.of_key("rule", 0)
    (6, 1, 3)
    """

    tables: dict[tuple[str, int], int] = field(default_factory=dict)
    keys: dict[tuple[str, int, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> "Lines":
        """Read where everything stands."""
        found = cls()
        name, index, counts, inside = "", 0, Counter[str](), ""
        blank = _TOKEN.sub(_blanked, text)
        depth = 0
        for number, line in enumerate(blank.split("\n"), start=1):
            if depth <= 0:
                header, assigned = _HEADER.match(line), _ASSIGNED.match(line)
                if header:
                    parts = _parts(header[2])
                    if len(parts) == 1:
                        name, inside = parts[0], ""
                        index = counts[name]
                        counts[name] += 1
                        found.tables[name, index] = number
                    else:
                        name, inside = parts[0], parts[1]
                        index = max(counts[name] - 1, 0)
                        found.keys.setdefault((name, index, inside), number)
                    continue
                if assigned and not inside:
                    found.keys.setdefault((name, index, _parts(assigned[1])[0]), number)
            depth += sum(line.count(c) for c in "[{") - sum(line.count(c) for c in "]}")
        return found

    def of_key(self, table: str, index: int = 0, key: str = "") -> int:
        """The line of a key, or of its table; 1 if neither is known."""
        return self.keys.get((table, index, key), self.tables.get((table, index), 1))


def _blanked(found: re.Match[str]) -> str:
    """Text and comments emptied, as long and with as many lines as before; keys are kept."""
    text = found[0]
    if "\n" not in text and text[0] in "\"'" and re.fullmatch(r"[\w*. -]*", text[1:-1]):
        return text
    return "".join("\n" if letter == "\n" else "_" for letter in text)


def _parts(text: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_KEY, text)]
