"""What was run: records (the truth) and MLflow (the window on it)."""

from highways.tracking.analyses import AnalysisRecord, AnalysisStore, analysis_keys
from highways.tracking.reading import Listed, listed_records
from highways.tracking.records import RecordStore, RunRecord, run_keys
