"""Are the results intact, and do they carry over to this machine?"""

import itertools
import math
import multiprocessing
import os
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from highways import paths
from highways.claims.judge import claims_text
from highways.config import RunConfig, profile_path
from highways.data import fingerprint, locate
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.quantities import duration
from highways.report.pages import pages
from highways.report.verdicts import export_text, judge_all
from highways.tracking import EARLIER, AnalysisStore, RecordStore, RunRecord, processor, run_keys
from highways.training import device as devices
from highways.training import sweep
from highways.training.engines import die_with_parent
from highways.training.execute import groups

REMAKE = "`highways tables --profile P` and `highways claims --profile P` make it"
PLAIN, BFLOAT16 = 0.5, 0.2
"""Tolerances instead of `Network.tolerance`: for plain dense networks (0.17 measured), and for bfloat16."""
CONDITIONS = ("processor", "threads", "torch", "device", "platform")
"""Entries of a record's environment that affect the last bits."""


def faults(profile: str) -> tuple[int, list[str]]:
    """Check a profile's records, and recompute its tables, claims and pages to compare them.

    Return the number of files checked, and one line for each that is not intact. Git shows whether a record is missing
    or replaced; the files computed from it then differ.
    """
    results, lines, checked = paths.Results(profile), list[str](), 0
    for name in results.experiments():
        folder = results.of(name)
        for store in (RecordStore(folder.runs), AnalysisStore(folder.analyses)):
            checked += len([*store])
            list(store.readable(lines.append))
    tables: dict[Path, str] = {}
    for one in EXPERIMENTS:
        folder = results.of(one.name).tables
        try:
            if profile_path(profile, one.name).exists() and not (records := one.of(profile).records()).empty:
                tables |= {folder / name: text for table in one.tables for name, text in table.texts(records).items()}
        except HighwaysError as error:
            lines.append(f"{paths.shown(folder)}: cannot be checked: {error}")
    lines += _differences(tables)
    judged: dict[Path, str] = {}
    if any(path.exists() for path in (results.claims, results.claims_json, results.page)):
        try:
            verdicts = judge_all(profile)
            judged = {results.claims: claims_text(verdicts.judgements), results.claims_json: export_text(verdicts)}
            judged |= {} if lines else pages(verdicts)  # pages show everything above
        except HighwaysError as error:
            lines.append(f"{paths.shown(results.claims)}: cannot be checked: {error}")
    return checked + len(tables) + len(judged), [*lines, *_differences(judged)]


def _differences(expected: Mapping[Path, str]) -> Iterator[str]:
    """Yield a line for each file whose content differs from what is expected."""
    for path, text in expected.items():
        if not path.exists():
            yield f"{paths.shown(path)}: missing; {REMAKE}"
        elif path.read_bytes() != text.encode():
            yield f"{paths.shown(path)}: not what the records give; {REMAKE} again"


class Outcome(NamedTuple):
    """The comparison of a retrained run with its record."""

    difference: float
    """Largest relative difference of a curve's value, over all epochs or in the first one."""
    where: str
    """Curve and epoch that differ most; empty if none differs."""
    expected: str
    passed: bool


def read_records(profiles: Sequence[str]) -> list[RunRecord]:
    """Return the run records of some profiles, each run once, with the present numerics version."""
    records = map(RunRecord.read, RecordStore.everywhere(profiles).values())
    return [record for record in records if record.numerics == record.config.network.numerics]


def listed_groups(profiles: Sequence[str]) -> dict[str, tuple[RunConfig, ...]]:
    """Return the group that each listed run is trained in, in listed order, by the run's key.

    The order decides where a network lies in memory, and so the last bits.
    """
    found: dict[str, tuple[RunConfig, ...]] = {}
    for profile, experiment in itertools.product(profiles, EXPERIMENTS):
        with suppress(HighwaysError):  # its runs cannot be listed here, or not yet
            configs = experiment.of(profile).settings.runs()
            keys = run_keys(configs)
            for group in groups(configs, keys):
                for index in group:
                    found.setdefault(keys[index], tuple(configs[other] for other in group))
    return found


def sampled(records: Sequence[RunRecord], count: int, seed: int) -> list[RunRecord]:
    """Draw up to `count` records at random; the network families take turns, the quickest first."""
    by_family: dict[str, list[RunRecord]] = defaultdict(list)
    for record in random.Random(seed).sample(sorted(records, key=lambda record: record.run_key), len(records)):
        by_family[record.config.network.family].append(record)
    turns = sorted(by_family.values(), key=lambda runs: min(run.timing["group_seconds"] for run in runs))
    return [run for turn in itertools.zip_longest(*turns) for run in turn if run is not None][:count]


def at_hand(records: Sequence[RunRecord], say: Callable[[str], None] = print) -> list[RunRecord]:
    """Return the records whose data are available; report why the others are left out."""
    here = [record for record in records if not record.config.data.vectors]
    if len(here) < len(records):
        say(f"{len(records) - len(here)} runs with word vectors of the user's own are left out")
    for name in dict.fromkeys(record.config.data.name for record in here):
        of_name = [record for record in here if record.config.data.name == name]
        try:
            if of_name[0].config.data.own is None:
                locate(name)
            elif any(fingerprint(record.config.data) != record.data_fingerprint for record in of_name):
                raise HighwaysError("the content is another now")
        except HighwaysError as error:
            say(f"{name} is not here, its {len(of_name)} runs are left out: {error}")
            here = [record for record in here if record.config.data.name != name]
    return here


def again(record: RunRecord, group: Sequence[RunConfig], device: str) -> RunRecord:
    """Retrain a recorded run with its group, in a separate process and project; return the new record.

    The temporary project links to everything in this one except results, weights and MLflow.
    """
    threads = min(int(record.environment.get("threads", 1)), devices.cores())
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="highways-rerun-") as root:
        for path in paths.root().iterdir():
            if path.name not in ("results", "checkpoints", "mlruns") and not path.name.startswith("."):
                (Path(root) / path.name).symlink_to(path)
        with ProcessPoolExecutor(1, mp_context=spawn, initializer=die_with_parent) as pool:
            records = pool.submit(_train, root, list(group), device, threads).result()
    return next(one for one in records if one.run_key == record.run_key)


def _train(root: str, configs: list[RunConfig], device: Any, threads: int) -> list[RunRecord]:
    """Train runs in this process as one sweep below `root`, and return their records."""
    os.environ["HIGHWAYS_ROOT"], os.environ["HIGHWAYS_PROGRESS"] = root, "lines"
    return list(sweep(configs, experiment="rerun", profile="rerun", device=device, threads=threads, mlflow=False))


def compared(record: RunRecord, made: RunRecord) -> Outcome:
    """Compare a record with that of the same run, retrained."""
    conditions = _other_conditions(record, made)
    if conditions or record.config.precision != "float32":
        difference, where = _difference(record, made, first=True)
        network = record.config.network
        most = PLAIN if network.family == "dense" and network.kind == "plain" else network.tolerance
        most = BFLOAT16 if record.config.precision == "bfloat16" else most
        expected = f"{most:g} after one epoch ({', '.join(conditions) or 'bfloat16'})"
        return Outcome(difference, where, expected, difference <= most)
    difference, where = _difference(record, made)
    same = record.weights_sha256 == made.weights_sha256 and record.status == made.status
    where = where if same or difference else "the weights"
    return Outcome(difference, where, "equal to the bit", same and difference == 0)


def _other_conditions(record: RunRecord, made: RunRecord) -> list[str]:
    """Return the conditions that affect the last bits and differ from the record's, on any machine that trained it."""
    places = [record.environment, *record.environment.get(EARLIER, [])]
    other = [key for key in CONDITIONS if any(place.get(key) != made.environment.get(key) for place in places)]
    found = ["other threads" if key == "threads" else f"another {key}" for key in other]
    engine = {"fused": "other kernels", "group": "another grouping"}
    return found + [said for key, said in engine.items() if record.engine.get(key) != made.engine.get(key)]


def _difference(record: RunRecord, made: RunRecord, first: bool = False) -> tuple[float, str]:
    """Return the largest relative difference of curves, or of the losses of the `first` epoch, and its location.

    In the first epoch accuracies are not compared: a single example may change them by more than any tolerance.
    """
    expected, found = (pd.DataFrame(one.curves, index=range(1, one.epochs + 1)) for one in (record, made))
    if first:
        expected, found = (curves.filter(like="_cross_entropy")[:1] for curves in (expected, found))
    if expected.shape != found.shape:
        return math.inf, f"it ended after {made.epochs} epochs, in the record after {record.epochs}"
    relative: Any = ((found - expected).abs() / expected.abs().clip(lower=1e-12)).stack()
    if not relative.any():
        return 0.0, ""
    epoch, name = relative.idxmax()
    return float(relative.max()), f"{name}, epoch {epoch}"


def rerun(profiles: Sequence[str], count: int, seed: int, device: str = "auto") -> int:
    """Retrain `count` sampled records, print each comparison, and return the number that are not as expected."""
    records = at_hand(read_records(profiles))
    if not records:
        raise HighwaysError(f"no records to train again in {', '.join(profiles) or 'results'}")
    drawn, listed = sampled(records, count, seed), listed_groups(profiles)
    here = f"{processor()}, torch {torch.__version__}"
    print(f"{len(drawn)} of {len(records)} records, drawn with seed {seed}, on {here}", flush=True)
    bad = 0
    for number, record in enumerate(drawn, start=1):
        group = listed.get(record.run_key, (record.config,))
        runs = f"with the {len(group) - 1} runs of its group" if len(group) > 1 else "alone"
        took = duration(record.timing["group_seconds"])
        print(f"{number}/{len(drawn)} {record.run_key}, {runs}; it took {took}", flush=True)
        difference, where, expected, passed = compared(record, again(record, group, device))
        at, verdict = f" ({where})" if where else "", "as expected" if passed else "NOT as expected"
        print(f"{record.run_key}: largest relative difference {difference:.2g}{at}; {verdict}: {expected}", flush=True)
        bad += not passed
    return bad
