"""What was run: records (the truth) and MLflow (the window on it)."""

from highways.tracking.records import RecordStore, RunRecord, find_record

__all__ = ["RecordStore", "RunRecord", "find_record"]
