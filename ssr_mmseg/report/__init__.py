"""Report of an experiment: one self-contained HTML page, and its figures as files.

Everything is read from the stages' result files; no network or dataset is loaded.
"""

from ssr_mmseg.report.figures import write_figures
from ssr_mmseg.report.page import write_report

__all__ = ["write_figures", "write_report"]
