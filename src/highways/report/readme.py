"""README's numbers: written from the committed results, so that they cannot go stale unnoticed."""

from __future__ import annotations

import re

import pandas as pd

from highways import paths
from highways.claims.judge import Judgement, frame, headline
from highways.errors import HighwaysError
from highways.report.tables import TABLES, markdown_text
from highways.tracking.records import write_atomically

PROFILE = "laptop"
"""The committed profile that README shows."""


def _depth() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "depth.csv")
    columns = ["network", "depth", "trials", "epochs", "best_train_cross_entropy"]
    columns += ["paper_p1_same_epochs", "paper_p1", "paper_p2"]
    shown = table.filter(columns)
    for column in columns[4:]:
        shown[column] = [f"{value:.2g}" for value in shown[column]]
    shown.columns = [
        "network",
        "layers",
        "trials",
        "epochs",
        "ours",
        "P1, same epochs",
        "P1, 400 epochs",
        "P2, 400 epochs",
    ]
    ratio = table["best_train_cross_entropy"] / table["paper_p1_same_epochs"]
    compared = f"At the same epoch our values are {ratio.min():.2f} to {ratio.max():.2f} times P1's."
    return f"{markdown_text(shown)}\n{compared}\n"


def _bilstm() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "bilstm_depth.csv")
    bag = float(table.loc[table["variant"] == "bag-of-words", "accuracy_test_best_dev"].max())
    chosen = table[table["depth"].isin([1, 2, 5, 10, 15, 20])]
    wide = chosen.pivot_table("accuracy_test_best_dev", "depth", "variant", sort=False)
    wide = wide.sort_index().map("{:.3f}".format).reset_index().rename(columns={"depth": "layers"})
    inflated = (table["accuracy_test_best_snapshot"] - table["accuracy_test_last"]).mean()
    return (
        f"{markdown_text(wide)}\nA bag of words gets {bag:.3f}. Choosing the best test snapshot, as the source did, "
        f"adds {100 * inflated:.1f} points to the accuracy after the last epoch, on average.\n"
    )


def _bilstm_paper() -> str:
    table = pd.read_csv(paths.Results("paper").tables / "bilstm_depth.csv")
    row = table.query("variant == 'plain' and depth == 1 and data == 'sst2'").to_dict("records")[0]
    dev, best, last = (row[f"accuracy_test_{rule}"] for rule in ("best_dev", "best_snapshot", "last"))
    return (
        f"One layer at the source's size (`plain`, 300 units, profile `paper`, {row['epochs']} epochs, seed "
        f"{row['seed']}) gets {dev:.3f} at the best development snapshot, {best:.3f} at the best test snapshot and "
        f"{last:.3f} at the end; a sister repository of the source reports {row['paper']:.3f} for a Bi-LSTM. Theirs "
        "starts from pretrained word vectors, ours from random ones: 6,920 sentences teach few words' meanings.\n"
    )


def _conv() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "conv.csv")
    rows = [
        {
            "network": row["network"],
            "data": row["data"],
            "parameters": f"{row['parameters']:,}",
            "epochs": f"{row['epochs']:.0f}",
            "ours": _percent(row["accuracy_last_mean"]),
            "the authors' log, same epoch": _percent(row["authors_log_same_epoch"]),
            "paper, all epochs": _percent(row["paper"] if pd.isna(row["paper_mean"]) else row["paper_mean"]),
        }
        for row in table.query("runs > 0").to_dict("records")
    ]
    return markdown_text(pd.DataFrame(rows))


SHOWN_LAYERS = [1, 5, 10, 15, 20, 30, 40, 45, 49]


def _gates() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "gates.csv")
    rows = [
        {
            "data": row["data"],
            "layer": row["layer"],
            "transform bias": f"{row['bias_mean']:.2f}",
            f"P1 ({row['paper_data']})": f"{row['paper_bias_mean']:.2f}",
            "mean gate": f"{row['mean_gate']:.3f}",
            "P1's": f"{row['paper_mean_gate']:.3f}",
            "change of the state": f"{row['change']:.2f}",
        }
        for row in table.to_dict("records")
        if row["layer"] in SHOWN_LAYERS
    ]
    return "\n".join(markdown_text(pd.DataFrame(rows_of)) for rows_of in _by_data(rows))


def _lesion() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "lesion.csv")
    rows = [
        {
            "data": row["data"],
            "lesioned layer": row["layer"] or "none",
            "training cross-entropy": f"{row['train_cross_entropy']:.2g}",
            "training accuracy": _percent(row["train_accuracy"]),
            f"P2 ({row['paper_data']}), training cross-entropy": f"{row['paper_train_cross_entropy']:.2g}",
        }
        for row in table.to_dict("records")
        if row["layer"] in (0, *SHOWN_LAYERS)
    ]
    return "\n".join(markdown_text(pd.DataFrame(rows_of)) for rows_of in _by_data(rows))


def _by_data(rows: list[dict[str, object]]) -> list[list[dict[str, object]]]:
    return [[row for row in rows if row["data"] == name] for name in dict.fromkeys(row["data"] for row in rows)]


def _very_deep() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "very_deep.csv")
    rows = [
        {
            "network": row["network"],
            "layers": f"{row['depth']:,}",
            "data": row["data"],
            "epochs": row["epochs"],
            "rate, units": f"{row['learning_rate']:.2g}, {row['activation']}",
            "training cross-entropy, first epoch": _or_empty(row["first_train_cross_entropy"]),
            "best": "diverged" if row["status"] == "diverged" else _or_empty(row["best_train_cross_entropy"]),
            "guessing": f"{row['guessing_cross_entropy']:.3g}",
            "test accuracy": _percent(row["test_accuracy"]),
        }
        for row in table.to_dict("records")
    ]
    cost = pd.read_csv(paths.Results(PROFILE).tables / "very_deep_cost.csv").to_dict("records")
    steps = [row for row in cost if row["seconds_per_step"] > 0]
    whole = [row for row in steps if pd.isna(row["checkpoint_every"])]
    depths = [row["depth"] for row in whole]
    fits = dict.fromkeys(
        f"{row['network']} {row['time_exponent']:.2f} and {row['memory_exponent']:.2f}" for row in whole
    )
    plain, kept = (row for row in steps if (row["network"], row["depth"]) == ("highway", max(depths)))
    return (
        f"{markdown_text(pd.DataFrame(rows))}\nTime and memory of a training step grow with depth to the power "
        f"(time and memory, {min(depths):,} to {max(depths):,} layers): {', '.join(fits)}. A "
        f"highway network of {plain['depth']:,} layers holds {plain['mebibytes_per_step']:.0f} MiB in a step, with "
        f"activation checkpointing {kept['mebibytes_per_step']:.0f} MiB, for "
        f"{kept['seconds_per_step'] / plain['seconds_per_step']:.1f} times the time.\n"
    )


def _keras_lasagne() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "keras_lasagne.csv")
    names = list(dict.fromkeys(table["data"]))

    def cell(quantity: str, term: str, data: str, points: bool) -> str:
        chosen = table.query("quantity == @quantity and term == @term and data == @data").to_dict("records")
        if not chosen:
            return ""
        value, low, high = (chosen[0][name] for name in ("value", "interval_low", "interval_high"))
        if points:
            return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        return f"{value:.3f}" if pd.isna(low) else f"{value:.3f} ({low:.3f} to {high:.3f})"

    levels = [term for term in dict.fromkeys(table.query("quantity == 'test accuracy'")["term"]) if ": " not in term]
    accuracies = [
        {"network": term} | {f"test accuracy, {data}": cell("test accuracy", term, data, False) for data in names}
        for term in levels
    ]
    effects, shared = [], set[str]()
    for term in dict.fromkeys(table.query("quantity == 'effect'")["term"]):
        row, factor = {"factor": term}, term.split(":")[0]
        for data in names:
            row[f"effect, {data}"] = cell("effect", term, data, True)
            share = "" if factor in shared else cell("share", factor, data, True)  # of the levels as written
            row[f"share of the difference, {data}"] = share
        effects.append(row)
        shared.add(factor)
    return f"{markdown_text(pd.DataFrame(accuracies))}\n{markdown_text(pd.DataFrame(effects))}"


def _initialisation() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "initialisation.csv")
    rows = []
    for network, depth in dict.fromkeys(zip(table["network"], table["depth"], strict=True)):
        chosen = table.query("network == @network and depth == @depth")
        losses = {
            row["initialisation"].replace("_", " "): (
                "diverged" if row["diverged"] == row["runs"] else _or_empty(row["best_train_cross_entropy"])
            )
            for row in chosen.to_dict("records")
        }
        rows.append({"network": network, "layers": depth} | losses)
    return markdown_text(pd.DataFrame(rows))


def _parity() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "l2_parity.csv")
    wide = table.pivot_table("difference", "variant", "step", sort=False)
    shown = wide[[step for step in (1, 10, 50, 100) if step in wide]].map("{:.1g}".format).reset_index()
    shown.columns = [shown.columns[0], *(f"after {step} steps" for step in shown.columns[1:])]
    return markdown_text(shown)


def _foundations() -> str:
    table = pd.read_csv(paths.Results(PROFILE).tables / "foundations.csv")
    rows = [
        {
            "question": row["question"],
            "version": row["version"],
            "quantity": row["quantity"],
            "ours": _or_empty(row["value"])
            if pd.isna(row["interval_low"])
            else f"{row['value']:.3f} ({row['interval_low']:.3f} to {row['interval_high']:.3f})",
            "source": _or_empty(row["paper"]),
        }
        for row in table.to_dict("records")
        if not row["quantity"].startswith("gradient")
    ]
    return markdown_text(pd.DataFrame(rows))


def _or_empty(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3g}"


def _percent(value: float) -> str:
    return "" if pd.isna(value) else f"{100 * value:.2f} %"


def _claims() -> str:
    table = pd.read_csv(paths.Results(PROFILE).claims, dtype=str, keep_default_na=False)
    judgements = [Judgement(**row) for row in table.to_dict("records")]
    shown = frame(judgements).filter(["statement", "criterion", "measured", "verdict", "scope"])
    return f"{headline(judgements)} (profile `{PROFILE}`).\n\n{markdown_text(shown)}"


def _cost() -> str:
    costs: dict[str, list[pd.DataFrame]] = {}
    for name, table in TABLES.items():
        path = paths.Results(PROFILE).tables / f"{name}_cost.csv"
        if path.exists() and not (cost := pd.read_csv(path)).empty:
            costs.setdefault(table.schema.experiment, []).append(cost)
    rows = []
    for notebook, parts in costs.items():
        cost = pd.concat(parts)
        rows.append(
            {
                "notebook": f"`{notebook}`",
                "minutes of processes' time": f"{cost['process_seconds'].sum() / 60:.0f}",
                "processes side by side": cost["workers"].max(),
                "threads of each": cost["threads"].max(),
                "processor": cost["processor"].iloc[0],
            }
        )
    return markdown_text(pd.DataFrame(rows))


def _bench() -> str:
    rows = pd.read_csv(paths.root() / "benchmarks" / "populations.csv").to_dict("records")
    table = pd.DataFrame(
        {
            "layers": row["depth"],
            "trials together": row["trials"],
            "cores": row["threads"],
            "times a plain PyTorch loop": f"{row['times_loop']:.1f}",
            "times Lightning with a DataLoader": f"{row['times_lightning']:.1f}",
            "GFLOP/s": f"{row['population_gflop_per_second']:.0f}",
            "of the measured peak": f"{row['share_of_peak']:.0%}",
        }
        for row in rows
    )
    return markdown_text(table)


def _bench_sentences() -> str:
    rows = pd.read_csv(paths.root() / "benchmarks" / "sentences.csv").to_dict("records")
    table = pd.DataFrame(
        {
            "layers": row["depth"],
            "cores": row["threads"],
            "seconds an epoch": f"{row['ours_seconds_per_epoch']:.1f}",
            "the source's way": f"{row['source_seconds_per_epoch']:.1f}",
            "times the source's way": f"{row['times_source']:.1f}",
            "of which the batches": f"{row['times_padded']:.1f}",
        }
        for row in rows
    )
    return markdown_text(table)


def _bench_conv() -> str:
    rows = pd.read_csv(paths.root() / "benchmarks" / "convolutions.csv").to_dict("records")
    table = pd.DataFrame(
        {
            "network": row["network"],
            "device": row["device"],
            "cores": row["threads"],
            "images a second": f"{row['ours_images_per_second']:.0f}",
            "the usual way": f"{row['usual_images_per_second']:.0f}",
            "times the usual way": f"{row['times_usual']:.1f}",
        }
        for row in rows
    )
    return markdown_text(table)


def _bench_lesions() -> str:
    row = pd.read_csv(paths.root() / "benchmarks" / "lesions.csv").to_dict("records")[0]
    return (
        f"All {row['depth'] - 1} lesions of a network of {row['depth']} layers together take "
        f"{row['together_seconds']:.2f} s over {row['examples']:,} examples, one after the other "
        f"{row['passes_seconds']:.2f} s: {row['times_passes']:.1f} times.\n"
    )


SECTIONS = {
    "depth": _depth,
    "bilstm": _bilstm,
    "bilstm_paper": _bilstm_paper,
    "conv": _conv,
    "gates": _gates,
    "lesion": _lesion,
    "very_deep": _very_deep,
    "keras_lasagne": _keras_lasagne,
    "initialisation": _initialisation,
    "parity": _parity,
    "foundations": _foundations,
    "claims": _claims,
    "cost": _cost,
    "bench": _bench,
    "bench_sentences": _bench_sentences,
    "bench_conv": _bench_conv,
    "bench_lesions": _bench_lesions,
}
"""What stands between `<!-- begin NAME -->` and `<!-- end NAME -->` in README."""


def filled() -> str:
    """Return README with its numbers brought up to date.

    Raises:
        HighwaysError: A marker is missing.
    """
    text = (paths.root() / "README.md").read_text(encoding="utf-8")
    for name, make in SECTIONS.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise HighwaysError(f"README.md: the markers of the section {name!r} are missing")
        content = f"{begin}{make()}{end}"
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, new=content: new, text, flags=re.DOTALL)
    return text


def is_current() -> bool:
    """Tell whether README's numbers are those of the committed results."""
    return (paths.root() / "README.md").read_text(encoding="utf-8") == filled()


def update() -> None:
    """Write README's numbers."""
    write_atomically(paths.root() / "README.md", filled())
