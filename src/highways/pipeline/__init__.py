"""The pipeline: stages, `dvc.yaml`, `highways repro`, and whether committed results hold: `verify` and its rerun."""

import sys

# jsonschema, which nbformat imports, makes a parser of addresses where this package is installed. No notebook needs it,
# and it takes up to a third of a stage's CPU time beyond its training.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
