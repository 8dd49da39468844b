"""How much faster are batches of sentences of one length? Ratios, measured in one run.

Three ways to train the same network (`highways.nn.BiLSTMNetwork`, 50 units a direction) with Adam for an epoch of
SST-2 in batches of 32, with the same threads:

- `ours`: sentences of one length share a batch (`highways.data.sentences.SentenceBatches`), Adam in one pass over
  the weights (`fused=True`);
- `padded`: random batches filled up to their longest sentence, padding passing through LSTMs and maximum
  (`highways.data.sentences.PaddedBatches`), everything else as ours: what the batches alone do;
- `source`: the same with torch's default Adam, as the source has it.

The ways take turns, `--repeats` times; shown are each one's best epoch, and the median and
quartiles of the turns' ratios. Where SST-2 is not
at hand, random words in sentences as long as its own (mean 19, deviation 9) stand in. Writes
`benchmarks/sentences.csv`.
"""

import argparse
import time
from collections.abc import Iterable

import torch
from timing import ratio, write
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from highways.config import BiLSTMConfig
from highways.data import Sentences, load
from highways.data.sentences import PADDING, PaddedBatches, SentenceBatches
from highways.errors import HighwaysError
from highways.nn import BiLSTMNetwork
from highways.training import device as devices

BATCH, HIDDEN, WORDS, SENTENCES = 32, 50, 13838, 6920


def sentences() -> tuple[str, Tensor, Tensor, Tensor]:
    """Return a name, and words, classes and lengths of SST-2's training sentences or of random ones as long."""
    try:
        data = load("sst2")
        assert isinstance(data, Sentences)
        return "sst2", data.x["train"], data.y["train"], data.lengths["train"]
    except HighwaysError as error:
        print(f"{error}: random sentences stand in")
    lengths = (19 + 9 * torch.randn(SENTENCES)).round().long().clamp(1, 52)
    tokens = torch.randint(2, WORDS, (SENTENCES, 52))
    tokens[torch.arange(52)[None] >= lengths[:, None]] = PADDING
    return "random", tokens, torch.randint(0, 2, (SENTENCES,)), lengths


def epoch_seconds(network: BiLSTMNetwork, batches: Iterable[tuple[Tensor, Tensor]], fused: bool) -> float:
    """Train for an epoch and return the seconds it took."""
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=1e-8, fused=fused or None)
    began = time.perf_counter()
    for x, y in batches:
        optimiser.zero_grad()
        (functional.cross_entropy(network(x), y, reduction="sum") / BATCH).backward()
        clip_grad_norm_(network.parameters(), 3.0)
        optimiser.step()
    return time.perf_counter() - began


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="highway", help="kind of network (highways.nn.bilstm)")
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 5, 10])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=devices.cores())
    arguments = parser.parse_args()

    devices.prepare(arguments.threads)
    torch.manual_seed(0)
    data, words, labels, lengths = sentences()
    rows = []
    for depth in arguments.depths:
        config = BiLSTMConfig.model_validate(
            {"family": "bilstm", "kind": arguments.kind, "depth": depth, "hidden": HIDDEN, "embedding": HIDDEN}
            | ({"transform_bias": -1.0} if arguments.kind == "highway" else {})
        )
        times: dict[str, list[float]] = {"ours": [], "padded": [], "source": []}
        for repeat in range(arguments.repeats):
            kinds = (SentenceBatches, PaddedBatches)
            equal, padded = (kind(words, labels, BATCH, order_seed=repeat, lengths=lengths) for kind in kinds)
            ways = {"ours": (equal, True), "padded": (padded, True), "source": (padded, False)}
            for way, (batches, fused) in ways.items():
                times[way].append(epoch_seconds(BiLSTMNetwork(config, WORDS, 2), batches, fused))
        in_order_0 = PaddedBatches(words, labels, BATCH, order_seed=0, lengths=lengths)
        positions = sum(x.numel() for x, _ in in_order_0) / int(lengths.sum())
        rows.append(
            {
                "data": data,
                "network": arguments.kind,
                "depth": depth,
                "hidden": HIDDEN,
                "batch_size": BATCH,
                "threads": arguments.threads,
                "ours_seconds_per_epoch": round(min(times["ours"]), 2),
                "padded_seconds_per_epoch": round(min(times["padded"]), 2),
                "source_seconds_per_epoch": round(min(times["source"]), 2),
                **ratio("times_padded", times["padded"], times["ours"]),
                **ratio("times_source", times["source"], times["ours"]),
                "positions_per_word_padded": round(positions, 2),
            }
        )
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    write(__file__, rows)


if __name__ == "__main__":
    main()
