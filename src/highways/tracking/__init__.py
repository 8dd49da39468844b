"""What was run: records (the truth) and MLflow (the window on it)."""

from highways.tracking.reading import listed_records
from highways.tracking.records import RecordStore, RunRecord, find_record, run_keys

__all__ = ["RecordStore", "RunRecord", "find_record", "listed_records", "run_keys"]
