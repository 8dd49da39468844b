"""Are the results what they were when they were made?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from highways import paths
from highways.claims.judge import claims_text
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS, REPORT
from highways.report.export import export_text
from highways.report.pages import pages
from highways.report.readme import COMMITTED
from highways.report.verdicts import judge_all
from highways.show.tables import table_files
from highways.tracking import AnalysisStore, RecordStore
from highways.tracking.manifest import Changes, Manifest, file_sha256

REMAKE = "`highways tables` and `highways claims` make it"


@dataclass
class _Looked:
    """What has been found so far.

    Attributes:
        found: One line a file that is not intact.
        checked: The files that were looked at.
        broken: Experiments whose records are not whole: nothing can be made of them.
    """

    found: list[str] = field(default_factory=list)
    checked: set[Path] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def bad(self, path: Path, what: str) -> None:
        """Note a file that is not intact."""
        self.checked.add(path)
        self.found.append(f"{paths.shown(path)}: {what}")


def faults(profile: str) -> tuple[int, list[str]]:
    """Check a profile against its manifest, its records' seals, and its tables, claims and pages against the records.

    Returns:
        How many files were checked, and one line for each that is not intact.
    """
    looked = _Looked()
    _records(profile, looked)
    _manifest(profile, looked)
    _foreign(profile, looked)
    _compare(_tables(profile, looked), looked)
    _compare(_judged(profile, looked), looked)
    return len(looked.checked), looked.found


def seal(profile: str) -> tuple[Manifest, Changes]:
    """Make a profile's manifest anew, and return it with what is changed by that.

    Raises:
        HighwaysError: A record is at fault.
    """
    manifest = Manifest(profile)
    return manifest, manifest.seal()


def _records(profile: str, looked: _Looked) -> None:
    """Check every record's own seal."""
    for store in (RecordStore, AnalysisStore):
        for path in sorted(paths.Results(profile).folder.glob(f"*/{store.kind}/*.json")):
            looked.checked.add(path)
            try:
                store.record.read(path)
            except HighwaysError as error:
                looked.found.append(str(error))
                looked.broken.add(path.parent.parent.name)


def _manifest(profile: str, looked: _Looked) -> None:
    """Check what has been published: is all of it there, and is it the same?"""
    manifest = Manifest(profile)
    there = {manifest.name(path): path for path in manifest.there()}
    if not manifest.exists():
        if there and profile in COMMITTED:
            looked.bad(manifest.path, f"missing; bring it back, or `highways seal --profile {profile}` makes it anew")
        return
    looked.checked.add(manifest.path)
    try:
        listed = manifest.read()
    except HighwaysError as error:
        looked.found.append(str(error))
        return
    decided = f"or, if it is meant to be so, `highways seal --profile {profile}`"
    for name, sums in sorted(listed.items()):
        path, is_record = manifest.folder / name, name.endswith(".json")
        if not path.exists():
            again = "bring it back or run its notebook" if is_record else "`highways figures` draws it"
            looked.bad(path, f"missing, the MANIFEST lists it; {again}, {decided}")
            if is_record:
                looked.broken.add(path.parent.parent.name)
        elif file_sha256(path) not in sums and not (is_record and path.parent.parent.name in looked.broken):
            again = "bring that one back" if is_record else "`highways figures` draws it anew"
            looked.bad(path, f"not the one that the MANIFEST lists; {again}, {decided}")
        looked.checked.add(path)
    for name, path in there.items():
        if name not in listed and path.parent.parent.name not in looked.broken:
            looked.bad(path, "not in the MANIFEST yet; `highways claims` takes it in")


Made = dict[Path, str | HighwaysError | None]
"""What derived files should be, by path; an error where it cannot be told, `None` where records are damaged."""


def _compare(made: Made, looked: _Looked) -> None:
    """Compare derived files with what they should be."""
    for path, text in made.items():
        looked.checked.add(path)
        if text is None:
            looked.bad(path, "cannot be checked, its records are not intact")
        elif isinstance(text, HighwaysError):
            looked.bad(path, f"cannot be checked: {text}")
        elif not path.exists():
            looked.bad(path, f"missing; {REMAKE}")
        elif (found := file_sha256(path)) is None:
            looked.bad(path, "cannot be read")
        elif found != hashlib.sha256(text.encode()).hexdigest():
            looked.bad(path, f"not what the records give; {REMAKE} anew")


def _tables(profile: str, looked: _Looked) -> Made:
    made: Made = {}
    for experiment in EXPERIMENTS:
        folder, name = paths.Results(profile).of(experiment.name), experiment.name
        if not profile_path(profile, name).exists() or not (name in looked.broken or _has_records(folder)):
            continue
        for table in experiment.tables:
            texts: dict[str, str | HighwaysError | None] = dict.fromkeys(table_files(table.name))
            if name not in looked.broken:
                try:
                    study = experiment.of(profile)
                    texts |= table.texts(study.records(), study.settings)
                except HighwaysError as error:
                    texts = dict.fromkeys(texts, error)
            made |= {folder.tables / file: text for file, text in texts.items()}
    return made


def _judged(profile: str, looked: _Looked) -> Made:
    """Return the claims and, where all else is intact, the pages, which show it."""
    results = paths.Results(profile)
    published = results.claims.exists() or results.manifest.exists()
    if not published or not profile_path(profile, REPORT.name).exists():
        return {}
    if looked.broken:
        return dict.fromkeys((results.claims, results.claims_json))
    try:
        judged = judge_all(profile)
        made: Made = {results.claims: claims_text(judged.judgements), results.claims_json: export_text(judged)}
        return made if looked.found else made | pages(judged)
    except HighwaysError as error:
        return dict.fromkeys((results.claims, results.claims_json), error)


def _has_records(folder: paths.ExperimentResults) -> bool:
    return any(path for part in (folder.runs, folder.analyses) for path in part.glob("*.json"))


def _foreign(profile: str, looked: _Looked) -> None:
    """Name what lies among the results and is none of them; hidden files are passed over."""
    for experiment in EXPERIMENTS:
        folder = paths.Results(profile).of(experiment.name)
        for path in _visible(folder.runs, folder.analyses):
            if path.suffix != ".json" or not path.is_file():
                looked.bad(path, "not a record; move it away")
        known = {file for table in experiment.tables for file in table_files(table.name)}
        for path in _visible(folder.tables):
            if path.name not in known:
                looked.bad(path, f"not a table of {experiment.name}; move it away")
            elif experiment.name not in looked.broken and not _has_records(folder):
                looked.bad(path, "there are no records that it could be made of; delete it")
        for path in _visible(folder.figures):
            if path.suffix == ".png" and path.stem not in experiment.figures:
                looked.bad(path, f"not a figure of {experiment.name}; move it away")


def _visible(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("*")) if not path.name.startswith(".")]
