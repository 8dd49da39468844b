"""The pipeline: stages, `dvc.yaml`, `highways repro`, and checks of committed results: `verify` and its rerun."""

import sys

# If this package is installed, jsonschema, which nbformat imports, builds a URL parser. No notebook needs it, and it
# takes up to a third of a stage's CPU time besides training.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
