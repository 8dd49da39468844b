"""The pipeline: stages, `dvc.yaml`, `highways repro`, and whether committed results hold: `verify` and its rerun."""
