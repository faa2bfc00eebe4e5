"""Ours, by each way that rows and a reference can come."""

import pyarrow as pa
from turns import reference_and_current, take_turns

import capstone_lib as cap
from capstone_lib.artifact.binning import Binning
from capstone_lib.artifact.window import Window
from capstone_lib.schema import Schema

reference, current = reference_and_current()
tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in (reference, current)]
binning = Binning.of(reference, Schema.infer(reference))
counted = Window.of(reference, binning=binning)
margins = Window.of(reference, binning=binning, pairs=False)

take_turns(
    {
        "two DataFrames": lambda: cap.detect_drift(reference, current),
        "two Arrow tables": lambda: cap.detect_drift(*tables),
        "a DataFrame against counts": lambda: cap.detect_drift(counted, current),
        "Arrow against counts": lambda: cap.detect_drift(counted, tables[1]),
        "a DataFrame against counts, no pairs": lambda: cap.detect_drift(
            margins, Window.of(current, binning=binning, pairs=False)
        ),
    },
    lambda name, report: {
        "columns": len(report.features),
        "jensen_shannon": report["MAR"].jensen_shannon,
        "chi2": report["MAR"].chi2,
    },
)
