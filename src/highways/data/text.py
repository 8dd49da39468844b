"""Labelled sentences read from files with torchtext 0.6, which only this module imports.

torchtext is no longer developed: its output is cached under `data/prepared/` as plain tensors.
"""

import gzip
import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from highways import paths
from highways.config import DataConfig, Part
from highways.data.own import is_number, read_own
from highways.data.sentences import PARTS, Sentences
from highways.data.sources import locate, source
from highways.data.synthetic import tweets as synthetic_tweets
from highways.errors import HighwaysError
from highways.files import write_whole

Sentence = tuple[str, int]
"""Words of a sentence, separated by spaces, and its class."""
Numbered = dict[Part, dict[str, Tensor]]
"""The `tokens`, `lengths` and `labels` of the sentences of each part: `x`, `lengths` and `y` of `Sentences`."""


def load_sentences(config: DataConfig, mark: str) -> Sentences:
    """Load a data set of sentences, whose fingerprint is `mark`, preparing it if necessary.

    If the user gave word vectors, print how many of its words they cover.
    """
    path = paths.root() / "data" / "prepared" / f"{config.name}-{mark[:12]}.pt"
    try:
        content = torch.load(path, weights_only=True)
        splits, vocabulary, vectors = content["splits"], content["vocabulary"], content["vectors"]
    except Exception:  # missing or damaged: torch.load raises many kinds
        vocabulary, splits = numericalise(read_labelled(config))
        vectors = None if config.vectors is None else read_vectors(paths.given(config.vectors), vocabulary)
        packed = io.BytesIO()
        torch.save({"splits": splits, "vocabulary": vocabulary, "vectors": vectors}, packed)
        write_whole(path, packed.getvalue())
    x: dict[Part, Tensor] = {part: splits[part]["tokens"] for part in PARTS}
    y: dict[Part, Tensor] = {part: splits[part]["labels"] for part in PARTS}
    lengths: dict[Part, Tensor] = {part: splits[part]["lengths"] for part in PARTS}
    count = source(config).classes if config.own is None else int(y["train"].max()) + 1
    data = Sentences(config.name, count, mark, x, y, lengths, vocabulary, vectors)
    if vectors is not None:
        if not data.words_with_vectors:
            raise HighwaysError(f"{config.vectors}: it has none of the {data.words:,} words of {data.name}")
        known = f"{data.words_with_vectors:,} of the {data.words:,} words of {data.name}"
        print(f"{config.vectors}: vectors of {known}", flush=True)
    return data


# Words to numbers


def numericalise(labelled: Mapping[Part, Sequence[Sentence]]) -> tuple[list[str], Numbered]:
    """Number the words of the training part, most frequent first, and convert all sentences to these numbers.

    Words that the training part lacks become unknown. Returns the vocabulary and the parts.
    """
    from torchtext.data import Field

    text: Any = Field(include_lengths=True, batch_first=True)
    words = {part: [sentence.split() for sentence, _ in labelled[part]] for part in PARTS}
    text.build_vocab(words["train"])
    splits: Numbered = {}
    for part in PARTS:
        tokens, lengths = text.process(words[part])
        labels = torch.tensor([label for _, label in labelled[part]])
        splits[part] = {"tokens": tokens, "lengths": lengths, "labels": labels}
    return text.vocab.itos, splits


def read_vectors(path: Path, vocabulary: Sequence[str] = ()) -> Tensor:
    """Read a file of word vectors in GloVe's text format, plain, gzipped or zipped, and check all of it.

    A line has a word and its numbers, separated by spaces or tabs; the word may contain spaces, but no numbers between
    them. A first line of two numbers (the header of word2vec and fastText) and empty lines are skipped. If a word has
    several lines, the last counts. Every line has the same number of numbers, at least two.

    Returns:
        The vectors of the vocabulary, `(words, width)`, float32, NaN for words without one.
    """
    wanted, known = set(vocabulary), {}
    number, width = 0, None
    try:
        with _unpacked(path) as lines:
            for number, line in enumerate(lines, start=1):
                fields = re.split("[ \t]+", line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip(" \t\r\n"))
                if fields == [""] or (number == 1 and len(fields) == 2 and all(field.isdecimal() for field in fields)):
                    continue
                words = 1 if width is None else max(1, len(fields) - width)
                if any(map(is_number, fields[1:words])):
                    words = 1
                if (count := len(fields) - words) != (width or count) or count < 2:
                    expected = f"{width} as in the lines before" if width else "at least 2"
                    raise ValueError(f"{count} numbers behind the word, expected {expected}")
                width = count
                vector = torch.tensor([float(field) for field in fields[words:]])
                if not vector.isfinite().all():
                    raise ValueError("a number that is not finite")
                if (word := " ".join(fields[:words])) in wanted:
                    known[word] = vector
    except ValueError as error:
        raise HighwaysError(f"{path}, line {number}: {error}") from None
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:  # also encrypted, oddly packed
        raise HighwaysError(f"{path}: {getattr(error, 'strerror', None) or error or 'cannot be read'}") from None
    if width is None:
        raise HighwaysError(f"{path}: no word vectors in it")
    none = torch.full((width,), torch.nan)
    return torch.stack([known.get(word, none) for word in vocabulary]) if vocabulary else none[None, :][:0]


def _unpacked(path: Path) -> IO[bytes]:
    """Open a file, unpacking it if it is gzipped or the only file of a zip archive."""
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        return gzip.open(path)  # type: ignore[return-value]
    if start != b"PK\x03\x04":
        return path.open("rb")
    archive = zipfile.ZipFile(path)
    if len(names := archive.namelist()) != 1:
        raise HighwaysError(f"{path}: an archive of {len(names)} files; unpack it and name one of them")
    return archive.open(names[0])


# Files to sentences; the sources' files have been checked by checksum


def read_labelled(config: DataConfig) -> dict[Part, list[Sentence]]:
    """Return the labelled sentences of a data set by part, cleaned, their words separated by spaces.

    The user's own are normalised like tweets.
    """
    if config.own is not None:
        texts, classes, parts = read_own(config.own)
        labelled = [(normalise(text) or "<empty>", label) for text, label in zip(texts, classes.tolist(), strict=True)]
        return {part: [labelled[row] for row in (parts == part).nonzero()[0]] for part in PARTS}
    files = locate(config.name)
    if config.name == "synthetic-tweets":
        counts = source(config).examples
        tweets = iter(synthetic_tweets(sum(counts.values()), seed=0))
        return {part: list(islice(tweets, counts[part])) for part in PARTS}
    if config.name == "tweets":
        return read_tweets(files.values())
    return {part: read_sst(files[f"raw.clean.{part}"], coarse=config.name == "sst2") for part in PARTS}


def _split_lines(path: Path, separator: str) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        return [line.rstrip("\r\n").split(separator) for line in file]


def read_sst(path: Path, coarse: bool) -> list[Sentence]:
    """Read a file of the Stanford Sentiment Treebank in the Highway BiLSTM article's format: `sentence ||| label`.

    Labels are 0 (very negative) to 4 (very positive); if `coarse`, 0 and 1 are negative, 3 and 4 positive, 2 left out.
    """
    labelled = [(clean(sentence), int(label)) for sentence, label in _split_lines(path, " ||| ")]
    return [(text, int(label > 2)) for text, label in labelled if label != 2] if coarse else labelled


def clean(sentence: str) -> str:
    """Return a sentence in lower case, with words, endings and punctuation separated by single spaces.

    Characters other than letters, digits and (),!?'` become spaces; 's, 've, 're, 'd, 'll and n't become separate
    words, as in the sentence classification of Kim (2014), which the Highway BiLSTM article follows.
    """
    kept = re.sub(r"[^A-Za-z0-9(),!?'`]", " ", sentence)
    return " ".join(re.sub(r"('s|'ve|'re|'d|'ll|n't|[,!?()])", r" \1 ", kept).lower().split())


# Tweets

TWEET_LABELS = {"negative": 0, "positive": 1}


def normalise(tweet: str) -> str:
    """Return a tweet in lower case, with addresses as `<url>`, users as `<user>`, and tokens separated by spaces."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), tweet)  # some files have such escapes
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins surrogate pairs, replaces halves
    text = html.unescape(text).lower()
    text = re.sub(r"https?://\S+|www\.\S+", " <url> ", text)
    text = re.sub(r"@\w+", " <user> ", text)
    return " ".join(re.findall(r"<url>|<user>|#?\w+(?:'\w+)*|[^\w\s]+", text))


def read_tweets(files: Iterable[Path]) -> dict[Part, list[Sentence]]:
    """Read the files of SemEval-2017 task 4 A, `id<TAB>label<TAB>tweet` per line, as a two-class task.

    The files of 2017 are for testing, 2016's `devtest` for development, all others for training. Left out are neutral
    tweets, tweets whose id has conflicting labels, unavailable tweets ("Not Available"), and duplicates after
    normalisation: the test part keeps its copy before development, and development before training.
    """
    tweets: dict[Part, dict[str, tuple[str, str]]] = {part: {} for part in PARTS}
    labels: dict[str, set[str]] = {}
    for path in sorted(files):
        part: Part = "test" if "SemEval2017" in path.name else "dev" if "2016devtest" in path.name else "train"
        for identity, label, tweet, *_ in _split_lines(path, "\t"):
            labels.setdefault(identity, set()).add(label)
            tweets[part][identity] = (label, normalise(tweet))
    seen = {"", "not available"}
    kept: dict[Part, list[Sentence]] = {part: [] for part in PARTS}
    for part in reversed(PARTS):
        for identity, (label, text) in tweets[part].items():
            if len(labels[identity]) == 1 and label in TWEET_LABELS and text not in seen:
                seen.add(text)
                kept[part].append((text, TWEET_LABELS[label]))
    return kept
