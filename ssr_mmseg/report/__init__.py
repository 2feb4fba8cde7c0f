"""What an experiment found, to look at: one self-contained page, and the same figures as files.

Everything is read from the stages' results on disk; nothing is computed here that needs a network or its data.
"""

from ssr_mmseg.report.figures import write_figures
from ssr_mmseg.report.page import write_report

__all__ = ["write_figures", "write_report"]
