"""The report: every claim judged, the pages, and one HTML file. It has no runs of its own."""

from typing import ClassVar

from highways.config import Profile
from highways.experiments.base import Experiment


class ReportProfile(Profile):
    """Parameters of `99_report`."""

    experiment: ClassVar[str] = "99_report"


REPORT = Experiment(title="Every claim judged, and the report", schema=ReportProfile)
