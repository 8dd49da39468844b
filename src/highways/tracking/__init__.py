"""What was run: records (the truth) and MLflow (the window on it)."""

from highways.tracking.reading import Listed, listed_records
from highways.tracking.records import AnalysisRecord, AnalysisStore, RecordStore, RunRecord, analysis_keys, run_keys
