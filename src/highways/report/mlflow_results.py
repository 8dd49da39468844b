"""Uploading results to MLflow: records, tables and figures; and the best networks as models.

A model is an exported graph without pickle, which `mlflow models serve` can serve.
"""

import contextlib
import hashlib
import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from highways import paths
from highways.data import Sentences, load
from highways.errors import HighwaysError
from highways.experiments import BY_NAME, REPORT, settings_of
from highways.tracking import AnalysisStore, RecordStore, RunRecord, auxiliary_keys
from highways.tracking.mlflow_log import MlflowRuns
from highways.tracking.mlflow_runs import best_of_cells
from highways.tracking.mlflow_store import asking, where
from highways.training import load_network
from highways.training.checkpoints import weights_path

VOCABULARY = "vocabulary.json"
"""Artifact of a text model: its words by number."""


def rebuild(profile: str, only_missing: bool = False) -> Iterator[str]:
    """Upload a profile's records, tables and figures to MLflow, and yield one line per experiment.

    A damaged record is skipped and named in an error, raised after everything else is uploaded. `only_missing` skips
    experiments whose files have not changed since their upload, even if MLflow has lost something since.
    """
    faults: list[str] = []
    with warnings.catch_warnings(), asking("does not take the runs"):
        warnings.simplefilter("ignore")  # MLflow's own warnings
        for name in dict.fromkeys([*paths.Results(profile).experiments(), *BY_NAME]):
            yield from _bring(profile, name, only_missing, faults)
    if faults:
        others = f" (and {len(faults) - 1} more damaged records: `highways verify` names them)" if faults[1:] else ""
        raise HighwaysError(f"{faults[0]}{others}; all other records are in MLflow")


def _bring(profile: str, name: str, only_missing: bool, faults: list[str]) -> Iterator[str]:
    """Upload an experiment to MLflow; see `rebuild`. Problems with records are appended to `faults`."""
    results = paths.Results(profile)
    folder, known = results.of(name), len(faults)
    outputs = [*sorted(folder.tables.glob("[!.]*.csv")), *sorted(folder.figures.glob("*.png"))]
    outputs += [file for file in (results.claims, results.report) if name == REPORT.name and file.exists()]
    files = [*RecordStore(folder.runs), *AnalysisStore(folder.analyses), *outputs]
    if not files:
        return
    lines = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files]
    runs, digest = MlflowRuns(profile, name), hashlib.sha256("".join(lines).encode()).hexdigest()
    mark = ".".join(["highways.rebuilt", profile, *runs.own.values()])
    if only_missing and runs.home.tags.get(mark) == digest:
        return
    with contextlib.suppress(HighwaysError):  # a damaged record is among the faults
        runs.auxiliary = auxiliary_keys(settings_of(profile, name))
    records = list(RecordStore(folder.runs).readable(faults.append))
    analyses = list(AnalysisStore(folder.analyses).readable(faults.append))
    for number in runs.bring(records):
        if number < len(records):
            yield f"{name} ({profile}): {number} of {len(records)} runs so far"
    runs.bring_analyses(analyses)
    runs.close(title=BY_NAME[name].title if name in BY_NAME else "", files=outputs)
    if len(faults) == known:
        runs.client.set_experiment_tag(runs.home.experiment_id, mark, digest)
    and_analyses = f" and {len(analyses)} analyses" if analyses else ""
    yield f"{name} ({profile}): {len(records)} runs{and_analyses} in {where().shown}"


def models(profile: str) -> Iterator[str]:
    """Log the best network of every data set, network and depth as a model of its run; yield one line for each.

    If a network cannot be exported, its weights are logged as an artifact instead.
    """
    with asking():
        for name in paths.Results(profile).experiments():
            runs = MlflowRuns(profile, name, create=False)
            best = {run.data.tags["run_key"]: run.info.run_id for run in best_of_cells(runs.search(kind="run"))}
            records = RecordStore(paths.Results(profile).of(name).runs).read_all(best)
            kept = [record for record in records if weights_path(record.run_key).exists()]
            if best:
                yield f"{name} ({profile}): weights of {len(kept)} of the {len(best)} best networks are kept here"
            for record in kept:
                yield f"  {record.run_key}: {_bring_model(runs, best[record.run_key], record)}"


def _bring_model(runs: MlflowRuns, run_id: str, record: RunRecord) -> str:
    """Log a network as a model of its run, unless MLflow has it already; return a description of what was done."""
    from mlflow.entities import LoggedModelOutput

    client, experiment_id, data = runs.client, runs.home.experiment_id, load(record.config.data)
    tags = {"run_key": record.run_key, "weights_sha256": str(record.weights_sha256), "data": record.config.data.name}
    earlier = list(client.search_logged_models([experiment_id], f"tags.run_key = '{record.run_key}'"))
    done, vocabulary = "there already", data.vocabulary if isinstance(data, Sentences) else []
    if not any(one.tags == one.tags | tags and one.status == "READY" for one in earlier):
        batches = data.evaluation_batches(record.config, "test")
        if (example := next((x[:4] for x, _ in batches if len(x) > 1), None)) is None:
            return "no batch of two test examples or more, of which a model is made"
        name = f"{record.config.network.shown_as}-d{record.config.network.depth:03d}-{record.config.data.name}"
        name = re.sub(r"[^\w-]", "-", name)  # MLflow accepts no dot; the user's own data have one
        model = client.create_logged_model(experiment_id, name, run_id, tags, model_type="classifier")
        try:
            _export(name, model.model_id, record, example, vocabulary)
            client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=record.epochs)])
            done = f"models:/{model.model_id}"
        except Exception as error:
            client.delete_logged_model(model.model_id)
            if not type(error).__module__.startswith("torch") and not isinstance(error, NotImplementedError):
                raise
            reason = (str(error).strip().splitlines() or [""])[0]
            done = f"cannot be exported ({type(error).__name__}: {reason}); its weights are the artifact weights/"
        for old in earlier:
            client.delete_logged_model(old.model_id)
    if vocabulary or done.startswith("cannot"):  # a graph takes sentences of only one length; weights take any
        client.log_artifact(run_id, str(weights_path(record.run_key)), "weights")
    return done


def _export(name: str, model_id: str, record: RunRecord, example: Tensor, vocabulary: list[str]) -> None:
    """Log a record's network as a model, with a batch of examples and, for texts, the words by number."""
    import mlflow
    from mlflow.models import infer_signature

    network, inputs = load_network(record).eval(), example.contiguous().numpy()
    if any(type(module).get_extra_state is not nn.Module.get_extra_state for module in network.modules()):
        raise NotImplementedError("it keeps a state that no graph holds: it draws weights at every call")
    mlflow.set_tracking_uri(where().uri)  # `log_model` takes no client
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        words = Path(folder) / VOCABULARY
        words.write_text(json.dumps(vocabulary), encoding="utf-8")
        mlflow.pytorch.log_model(  # type: ignore[attr-defined]
            network,
            name=name,
            model_id=model_id,
            # torch.export unrolls LSTMs: sentences must be as long as the example's
            signature=infer_signature(inputs, network(example).numpy()),
            input_example=inputs,
            serialization_format="pt2",
            pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}", f"numpy=={np.__version__}"],
            extra_files=[str(words)] if vocabulary else None,
            metadata={
                "run_key": record.run_key,
                "weights_sha256": record.weights_sha256,
                "config": record.config.model_dump(mode="json"),
                "output": "logits, a value a class; their softmax are probabilities",
            },
        )
