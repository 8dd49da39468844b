"""What was run: records (the source of truth) and MLflow (a view of them)."""

from highways.tracking.environment import EARLIER, describe, git_commit, processor
from highways.tracking.events import EpochEnded, Event, Finished, Listener, Started
from highways.tracking.mlflow_log import MlflowLog
from highways.tracking.outcomes import Cell, auxiliary_keys, best_of, cells, diverged, kind_and_depth, rank, recorded
from highways.tracking.reading import Listed, Source, listed_records
from highways.tracking.records import AnalysisRecord, AnalysisStore, RecordStore, RunRecord, analysis_keys, run_keys
