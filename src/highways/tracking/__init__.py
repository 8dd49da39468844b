"""What was run: records (the source of truth) and MLflow (a view of them)."""

from highways.tracking.reading import Listed, listed_records
from highways.tracking.records import AnalysisRecord, AnalysisStore, RecordStore, RunRecord, analysis_keys, run_keys
