"""Put a scikit-learn model to work: one ONNX file, scored in batch and live, watched and reviewed.

The names below are the library's front door. Each is imported when it is first used, so that
``import capstone_lib`` costs nothing and an engine that only scores never loads a plotting library.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from capstone_lib.alerts import Alert, AlertBook, Playbook, act, evaluate_alerts, load_playbook
    from capstone_lib.artifact import (
        Artifact,
        Passport,
        Predictions,
        export_model,
        load_model,
        verify_parity,
    )
    from capstone_lib.batch import BatchRun, score_batch
    from capstone_lib.data import Census, Flights, load_census, load_flights
    from capstone_lib.decide import (
        Advice,
        ArchitectureTable,
        UseCase,
        advise,
        compare_architectures,
    )
    from capstone_lib.explain import explain_batch, explain_row
    from capstone_lib.loadtest import LoadTest, load_test
    from capstone_lib.monitoring import (
        DriftReport,
        FairnessAudit,
        Measurement,
        Window,
        audit_fairness,
        detect_drift,
        measure,
    )
    from capstone_lib.report import Report, write_report
    from capstone_lib.review import ReviewQueue
    from capstone_lib.schema import Schema
    from capstone_lib.serving import Endpoint, Limits, compare_routes, serve
    from capstone_lib.store import Store, open_store

_HOME = {
    "Advice": "decide",
    "Alert": "alerts",
    "AlertBook": "alerts",
    "ArchitectureTable": "decide",
    "Artifact": "artifact",
    "BatchRun": "batch",
    "Census": "data",
    "DriftReport": "monitoring",
    "Endpoint": "serving",
    "FairnessAudit": "monitoring",
    "Flights": "data",
    "Limits": "serving",
    "LoadTest": "loadtest",
    "Measurement": "monitoring",
    "Passport": "artifact",
    "Playbook": "alerts",
    "Predictions": "artifact",
    "Report": "report",
    "ReviewQueue": "review",
    "Schema": "schema",
    "Store": "store",
    "UseCase": "decide",
    "Window": "monitoring",
    "act": "alerts",
    "advise": "decide",
    "audit_fairness": "monitoring",
    "compare_architectures": "decide",
    "compare_routes": "serving",
    "detect_drift": "monitoring",
    "evaluate_alerts": "alerts",
    "explain_batch": "explain",
    "explain_row": "explain",
    "export_model": "artifact",
    "load_census": "data",
    "load_flights": "data",
    "load_model": "artifact",
    "load_playbook": "alerts",
    "load_test": "loadtest",
    "measure": "monitoring",
    "open_store": "store",
    "score_batch": "batch",
    "serve": "serving",
    "verify_parity": "artifact",
    "write_report": "report",
}

__all__ = [
    "Advice",
    "Alert",
    "AlertBook",
    "ArchitectureTable",
    "Artifact",
    "BatchRun",
    "Census",
    "DriftReport",
    "Endpoint",
    "FairnessAudit",
    "Flights",
    "Limits",
    "LoadTest",
    "Measurement",
    "Passport",
    "Playbook",
    "Predictions",
    "Report",
    "ReviewQueue",
    "Schema",
    "Store",
    "UseCase",
    "Window",
    "act",
    "advise",
    "audit_fairness",
    "compare_architectures",
    "compare_routes",
    "detect_drift",
    "evaluate_alerts",
    "explain_batch",
    "explain_row",
    "export_model",
    "load_census",
    "load_flights",
    "load_model",
    "load_playbook",
    "load_test",
    "measure",
    "open_store",
    "score_batch",
    "serve",
    "verify_parity",
    "write_report",
]

__version__ = _version("capstone-lib")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
