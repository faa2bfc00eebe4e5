"""Tables in memory of every type and shape, and things that are no table.

Frames and Arrow tables are refused as a whole, or scored as scikit-learn scores the plain frame.
"""

import datetime as dt
import io
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

WRONG = "a value of the wrong type"
DAY = dt.date(2016, 1, 31)


def arrow(people):
    return pa.Table.from_pandas(people, preserve_index=False)


def swapped(people, name, array):
    """The people as an Arrow table with another column in the place of one."""
    table = arrow(people)
    array = pa.array(array) if isinstance(array, list | np.ndarray) else array
    return table.set_column(table.column_names.index(name), name, array)


def through_parquet(table):
    file = io.BytesIO()
    pq.write_table(table, file)
    return pq.read_table(file)


# --- columns of another type ----------------------------------------------------------------------

N = 24
STRANGE = {  # a whole column that is none of ours
    "text": pa.array(["40"] * N),
    "bytes": pa.array([b"40"] * N),
    "bytes of fixed width": pa.array([b"40"] * N, pa.binary(2)),
    "dates": pa.array([DAY] * N),
    "times of day": pa.array([dt.time(12)] * N),
    "moments": pa.array([dt.datetime(2016, 1, 31)] * N),
    "moments in a zone": pa.array([dt.datetime(2016, 1, 31)] * N, pa.timestamp("us", "Asia/Tokyo")),
    "durations": pa.array([dt.timedelta(1)] * N),
    "lists": pa.array([[40]] * N),
    "lists of fixed length": pa.array([[40]] * N, pa.list_(pa.int8(), 1)),
    "records": pa.array([{"years": 40}] * N),
    "maps": pa.array([[("years", 40)]] * N, pa.map_(pa.string(), pa.int8())),
    "dictionary of text": pa.array(["40"] * N).dictionary_encode(),
    "months, days and nanoseconds": pa.array([pa.MonthDayNano([1, 2, 3])] * N),
    "one of two types": pa.UnionArray.from_sparse(
        pa.array([0] * N, pa.int8()), [pa.array([40] * N), pa.array(["40"] * N)]
    ),
    "identifiers": pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([bytes(16)] * N, pa.binary(16))
    ),
}


@pytest.mark.parametrize("name", ["age", "sector", "married"])
@pytest.mark.parametrize("kind", STRANGE)
def test_a_column_of_another_type_is_refused(judge, people, kind, name):
    judge.refuses(swapped(people, name, STRANGE[kind]), f"{name}: {WRONG}")


@pytest.mark.parametrize("kind", sorted(set(STRANGE) - {"text", "dictionary of text"}))
def test_no_text_is_refused(judge, people, kind):
    judge.refuses(swapped(people, "job", STRANGE[kind]), f"job: {WRONG}")


@pytest.mark.parametrize("values", [[1] * N, [0.5] * N, [True] * N], ids=str)
def test_numbers_are_no_text(judge, people, values):
    judge.refuses(swapped(people, "job", values), f"job: {WRONG}")


@pytest.mark.parametrize("values", [[1] * N, [0.0] * N, ["true"] * N], ids=str)
def test_ones_are_not_true(judge, people, values):
    judge.refuses(swapped(people, "married", values), f"married: {WRONG}")


@pytest.mark.parametrize("name", ["age", "sector", "job", "married"])
def test_a_column_of_nulls_is_all_rejects(judge, people, name):
    judge.scores(swapped(people, name, pa.nulls(N)), people[:0], rejects=[f"{name}: null"] * N)


FORMATS = {  # the same values in another make
    **{kind: lambda p, k=kind: p.astype({"age": k, "sector": k}) for kind in (
        "int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
        "float64", "Int8", "UInt64", "Float32", "Float64", "int64[pyarrow]", "double[pyarrow]",
        "halffloat[pyarrow]", "category", ">i4", ">f8", "object",
    )},
    "strings": lambda p: p.astype({"job": "string"}),
    "strings of Python": lambda p: p.astype({"job": pd.StringDtype("python")}),
    "strings of Arrow": lambda p: p.astype({"job": pd.ArrowDtype(pa.string())}),
    "large strings": lambda p: p.astype({"job": pd.ArrowDtype(pa.large_string())}),
    "masked booleans": lambda p: p.astype({"married": "boolean"}),
    "booleans of Arrow": lambda p: p.astype({"married": "bool[pyarrow]"}),
    "booleans as objects": lambda p: p.astype({"married": object}),
    "categories without people": lambda p: p.assign(
        job=pd.Categorical(p["job"], [*"abc", *sorted(p["job"].unique())], ordered=True)
    ),
    "sparse": lambda p: p.assign(age=pd.arrays.SparseArray(p["age"])),
    "fragmented": lambda p: pd.concat([p[:5], p[5:11], p[11:]]),
    "every second of many": lambda p: pd.concat([p, p]).sort_index()[::2],
    "columns shuffled": lambda p: p[p.columns[[4, 2, 0, 5, 1, 3]]],
    "rows named by text": lambda p: p.set_index(p["job"].rename(None)),
    "rows named twice": lambda p: p.set_index(pd.Index([7] * N)),
    "index of ids": lambda p: p.set_index("row_id"),
    "index of a feature": lambda p: p.set_index("age"),
    "index of several": lambda p: p.set_index(["row_id", "job", "married"]),
    "index with a name twice": lambda p: p.set_index(p["age"]),
    "index levels with one name": lambda p: p.set_index(
        pd.MultiIndex.from_arrays([range(N), range(N)], names=["x", "x"])
    ),
    "other names": lambda p: p.assign(**{"": 1, "größe ☃": 2}).rename_axis(columns="a\nb"),
    "names that are no text": lambda p: pd.concat(
        [p, pd.DataFrame(1, p.index, [0, None, 2.5])], axis=1
    ),
    "half a character in a name": lambda p: p.assign(x=1).set_axis(
        pd.Index([*p.columns, "\ud83d"], dtype=object), axis=1
    ),
    "unneeded column twice": lambda p: pd.concat([p, *[p["age"].rename("x")] * 2], axis=1),
    "unneeded columns of all types": lambda p: p.assign(
        a=DAY, b=pd.Timestamp(DAY), c=[[1]] * N, d=[{1}] * N, e=[object()] * N, f=1j, g=[b""] * N
    ),
    "10,000 columns": lambda p: pd.concat(
        [p, pd.DataFrame(0, p.index, [f"c{k}" for k in range(10_000)])], axis=1
    ),
    "read only": lambda p: pd.DataFrame({n: frozen(v) for n, v in p.items()}),
    "record batch": lambda p: arrow(p).to_batches()[0],
    "a reader": lambda p: arrow(p).to_reader(),
    "chunks": lambda p: pa.concat_tables([arrow(p[:0]), arrow(p[:7]), arrow(p[7:9]), arrow(p[9:])]),
    "a part of a table": lambda p: pa.concat_tables([arrow(p)] * 3).slice(N, N),
    "decimals": lambda p: swapped(p, "age", [Decimal(v) for v in p["age"].tolist()]),
    "wide decimals": lambda p: swapped(
        p, "age", pa.array([Decimal(v) for v in p["age"].tolist()], pa.decimal256(70, 9))
    ),
    "dictionaries": lambda p: swapped(p, "job", pa.array(p["job"]).dictionary_encode()),
    "dictionaries in chunks": lambda p: swapped(
        p,
        "job",
        pa.chunked_array([pa.array(v).dictionary_encode() for v in (p["job"][:9], p["job"][9:])]),
    ),
    "dictionaries through Parquet": lambda p: through_parquet(
        swapped(p, "job", pa.array(p["job"]).dictionary_encode())
    ),
    "dictionary of numbers": lambda p: swapped(p, "age", pa.array(p["age"]).dictionary_encode()),
    "string views": lambda p: swapped(p, "job", pa.array(p["job"]).cast(pa.string_view())),
    "runs": lambda p: swapped(
        p, "sector", pc.run_end_encode(pa.array(p["sector"]))
    ),
    "through Parquet": lambda p: through_parquet(arrow(p)),
}  # fmt: skip


def frozen(values):
    array = values.to_numpy(copy=True)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_people_in_another_make_are_scored_alike(judge, people, kind):
    judge.scores(FORMATS[kind](people), people)


def test_an_index_of_ids_twice_named_is_refused_or_read(judge, people):
    judge.scores(people.set_index("row_id", drop=False), people)


def test_missing_numbers_in_every_make(judge, people):
    truth = people.assign(hours=np.nan)
    for kind in ("float32", "Float64", "Int8", "double[pyarrow]", "object"):
        source = people.assign(hours=pd.Series([None] * N, dtype=kind))
        predicted = judge.artifact.predict(source)
        judge.compare(truth, predicted.score, predicted.label)


def test_single_precision_is_scored_as_it_is(judge, people):
    source = people.astype({"hours": "float32"})
    judge.scores(source, source)
