"""The report: its parameters."""

from __future__ import annotations

from typing import ClassVar

from highways.config.profiles import Profile


class ReportProfile(Profile):
    """Parameters of `99_report`."""

    experiment: ClassVar[str] = "99_report"
