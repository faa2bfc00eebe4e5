"""Reading what a client sent: one record or many, through the schema's gate.

A record that is right in every way is decoded and checked in one typed step. Anything else is read
again slowly, through the very gate of the batch path, which knows what can be borne (an unexpected
column, an age never seen) and names all that cannot.
"""

import itertools
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from capstone_lib.schema import Column, Schema
from capstone_lib.serving.problems import ProblemError, Refusal, field_errors, step, utf8
from capstone_lib.serving.row_gate import RowGate, bounds, scorable

__all__ = ["LONGEST_ID", "Record", "RecordReader"]

LONGEST_ID = 200
_LARGEST = float(np.finfo(np.float64).max)
_MEMBERS = ("features", "id", "explain")
_ID_EXPECTED = f"text of 1 to {LONGEST_ID} characters"
_UNREADABLE = re.compile(r'["\\\x00-\x1f]')
_NEVER: Any = Annotated[int, msgspec.Meta(ge=1, le=0)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]


@dataclass(slots=True)
class Record:
    """One row to score.

    Attributes
    ----------
    values : sequence
        In the order of the schema's columns.
    features : Any
        The same as a JSON object, for the log.
    id : str
        The case: as the client named it, or a new name.
    explain : bool
        Whether the client asks why.
    schema : Schema or None
        The gate that the row has passed; None if it passes every gate without a word.
    warnings : list of Refusal
        What the model can bear.
    hit : Hit or None
        The nightly score that is passed on; it stands in the place of the values then.
    miss : str or None
        Why none is, where that is done.
    """

    values: Sequence[Any]
    features: Any
    id: str
    explain: bool = False
    schema: Schema | None = None
    warnings: Sequence[Refusal] = ()
    hit: Any = None
    miss: str | None = None


class RecordReader:
    """Reads the bodies of ``POST /predict``.

    Parameters
    ----------
    schema : Schema
        The order of the values, and the rows that need no second look.
    gate : callable
        Says for a case's id which schema decides about its row.
    max_rows : int
        The most rows in one request.
    may_look_up : bool, default False
        Whether a case may be asked about by its id alone: its record has no values then.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        gate: Callable[[str], Schema],
        max_rows: int,
        may_look_up: bool = False,
    ) -> None:
        self.schema, self.max_rows, self._may_look_up = schema, max_rows, may_look_up
        self._gate, self._row_gate = gate, RowGate(schema)
        self._prefix, self._count = f"r{secrets.token_hex(4)}-", itertools.count(1)
        features: Any = _features_type(schema)
        first = ("features", features | msgspec.UnsetType, msgspec.UNSET)
        one = msgspec.defstruct(
            "One",
            [
                first if may_look_up else ("features", features),
                ("id", Id | None, None),
                ("explain", bool, False),
            ],
            forbid_unknown_fields=True,
            gc=False,
        )
        many: Any = msgspec.defstruct(
            "Many",
            [("instances", Annotated[list[one], msgspec.Meta(min_length=1, max_length=max_rows)])],  # type: ignore[valid-type]
            forbid_unknown_fields=True,
        )
        self._decode_one = msgspec.json.Decoder(one).decode
        self._many = msgspec.json.Decoder(many).decode
        self._one = one

    def read_quickly(self, body: bytes) -> Record | None:
        """Read one record by the typed step, or return None."""
        try:
            return self._record(self._decode_one(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def read(self, body: bytes) -> list[Record] | Record:
        """Read a body: one record, or the list of those under ``instances``.

        Raises
        ------
        ProblemError
            With status 400 if the body is no JSON, 422 with every problem if it is not a record.
        """
        try:
            return self._record(self._decode_one(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        try:
            return [self._record(one) for one in self._many(body).instances]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._read_slowly(parse_json(body))

    def _read_slowly(self, document: Any) -> list[Record] | Record:
        if not isinstance(document, dict):
            raise ProblemError(
                422,
                f"the body is {_kind(document)}; send an object with 'features', or with "
                "'instances' for many rows",
            )
        if "instances" not in document:
            refusals: list[Refusal] = []
            record = self._one_slowly(document, refusals, pointer="")
            _refuse(refusals)
            assert record is not None
            return record
        return self._many_slowly(document)

    def _many_slowly(self, document: dict[str, Any]) -> list[Record]:
        refusals = _unknown_members(document, ("instances",), pointer="")
        instances = document["instances"]
        if not isinstance(instances, list) or not 0 < len(instances) <= self.max_rows:
            seen = (
                f"{len(instances):,} of them" if isinstance(instances, list) else _kind(instances)
            )
            message = f"expected a list of 1 to {self.max_rows:,} records, seen {seen}"
            _refuse([*refusals, Refusal("instances", "wrong_type", message, "/instances")])
        records = []
        for place, instance in enumerate(instances):
            pointer = f"/instances/{place}"
            record = self._one_again(instance)
            if record is None:
                record = self._one_slowly(instance, refusals, pointer=pointer)
            if record is not None:
                records.append(record)
        _refuse(refusals)
        return records

    def _one_again(self, instance: Any) -> Record | None:
        """Read one of many by the typed step after all, if nothing is wrong with it."""
        try:
            one: Any = msgspec.convert(instance, self._one)
            return self._record(one) if one.id is None or _is_id(one.id) else None
        except (msgspec.ValidationError, UnicodeEncodeError):
            return None

    def _one_slowly(self, document: Any, refusals: list[Refusal], *, pointer: str) -> Record | None:
        if not isinstance(document, dict):
            message = f"expected an object with 'features', seen {_kind(document)}"
            refusals.append(Refusal("instances", "wrong_type", message, pointer))
            return None
        refusals += _unknown_members(document, _MEMBERS, pointer=pointer)
        case, explain = document.get("id"), document.get("explain", False)
        if case is not None and not _is_id(case):
            message = f"expected {_ID_EXPECTED}, seen {_short(case)}"
            refusals.append(Refusal("id", "wrong_type", message, f"{pointer}/id"))
        if not isinstance(explain, bool):
            message = f"expected true or false, seen {_kind(explain)}"
            refusals.append(Refusal("explain", "wrong_type", message, f"{pointer}/explain"))
        features = document.get("features")
        if self._may_look_up and "features" not in document and case is not None:
            return Record((), {}, str(case), explain is True)  # what is wrong is refused anyway
        if not isinstance(features, dict):
            seen = _kind(features) if "features" in document else "none"
            message = f"expected an object of column names and values, seen {seen}"
            refusals.append(Refusal("features", "wrong_type", message, f"{pointer}/features"))
            return None
        if refusals:
            case = None  # it is refused anyway; go on, to name all that is wrong
        return self._admit(features, case, explain, refusals, pointer=f"{pointer}/features")

    def _admit(
        self,
        features: Mapping[str, Any],
        case: str | None,
        explain: bool,
        refusals: list[Refusal],
        *,
        pointer: str,
    ) -> Record | None:
        """Pass one row through the gate of the batch path; add what is wrong to ``refusals``."""
        case = self.new_id() if case is None else case
        schema = self._gate(case)
        row, problems = self._row_gate.check(schema, features)
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            refusals += field_errors(errors, pointer=pointer)
            return None
        return Record(
            values=[scorable(value) for value in row.values()],
            features=row,
            id=case,
            explain=explain,
            schema=schema,
            warnings=field_errors(problems, pointer=pointer) or (),
        )

    def _record(self, one: Any) -> Record:
        if one.features is msgspec.UNSET:
            if one.id is None:
                raise msgspec.ValidationError("neither features nor an id")
            return Record((), {}, one.id, one.explain)
        case = self.new_id() if one.id is None else one.id
        return Record(msgspec.structs.astuple(one.features), one.features, case, one.explain)

    def new_id(self) -> str:
        """Name a case that its client did not name."""
        return f"{self._prefix}{next(self._count)}"


def parse_json(body: bytes) -> Any:
    """Read JSON as RFC 8259 has it: UTF-8, no NaN; numbers beyond a double become infinite.

    Raises
    ------
    ProblemError
        With status 400 if it is not JSON, or nested deeper than any record is.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ProblemError(400, f"the body is not JSON: {said[:200]}; send one object") from error


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON value; send null for a missing number")


def _features_type(schema: Schema) -> type:
    """A type that holds exactly the rows of which the gate would say nothing at all.

    It holds no row where the typed step cannot read a column's name.
    """
    if any(_UNREADABLE.search(name) for name in schema.names):
        return msgspec.defstruct("Nothing", [("never", _NEVER)])
    fields = [(f"c{k}", _value_type(column)) for k, column in enumerate(schema.columns)]
    return msgspec.defstruct(
        "Features",
        fields,
        rename={f"c{k}": column.name for k, column in enumerate(schema.columns)},
        forbid_unknown_fields=True,
        frozen=True,
        gc=False,
    )


def _value_type(column: Column) -> Any:
    if column.categories is not None:
        known = tuple(c for c in column.categories if column.is_text or _is_within(column, c))
        kind: Any = Literal[known] if known else _NEVER
    elif column.kind == "boolean":
        kind = bool
    else:
        kind = _number_type(column)
    return kind | None if column.nullable else kind


def _is_within(column: Column, code: Any) -> bool:
    low, high = bounds(column)
    return bool(low <= code <= high)


def _number_type(column: Column) -> Any:
    low, high = bounds(column)
    if column.kind == "number":
        return Annotated[float, msgspec.Meta(ge=max(low, -_LARGEST), le=min(high, _LARGEST))]
    exact = 2.0**53  # every whole number up to here is itself as a double
    return Annotated[
        int, msgspec.Meta(ge=int(np.ceil(max(low, -exact))), le=int(np.floor(min(high, exact))))
    ]


def _unknown_members(
    document: dict[str, Any], known: Sequence[str], *, pointer: str
) -> list[Refusal]:
    return [
        Refusal(
            field=utf8(name),
            code="unknown_member",
            message=f"{_short(name)} means nothing here; known are {', '.join(known)}",
            pointer=f"{pointer}/{step(name)}",
        )
        for name in document
        if name not in known
    ]


def _refuse(refusals: Sequence[Refusal]) -> None:
    if refusals:
        count = f"{len(refusals):,} problem{'s' if len(refusals) > 1 else ''}"
        raise ProblemError(
            422, f"the request does not fit the model's schema: {count}", errors=refusals
        )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and utf8(value) == value


def _short(value: Any) -> str:
    text = utf8(repr(value))
    return text if len(text) <= 40 else f"{text[:37]}…"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", type(None): "null"}
    return names.get(type(value), "a number")
