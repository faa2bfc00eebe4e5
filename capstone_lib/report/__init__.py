"""What people look at in the end: one report on a model at work, as a page and as a document."""

from capstone_lib.report.document import Report
from capstone_lib.report.gather import gather_report
from capstone_lib.report.write import write_report

__all__ = ["Report", "gather_report", "write_report"]
