"""Labelled sentences out of files, with torchtext 0.6: the only module that imports it.

torchtext is no longer developed, so what it makes of a data set is kept under `data/prepared/` as plain
tensors, and nothing behind this module needs it.
"""

from __future__ import annotations

import contextlib
import gzip
import html
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

import torch
from torch import Tensor

from highways import paths
from highways.config import DataConfig
from highways.config.data import OwnFile
from highways.config.reading import quoted
from highways.data.own import read_own
from highways.data.sentences import PADDING, PARTS, UNKNOWN, Part, Sentences, Split
from highways.data.sources import classes, examples, fingerprint, locate, vectors_path
from highways.data.synthetic import tweets as synthetic_tweets
from highways.errors import HighwaysError
from highways.files import write_whole

T = TypeVar("T")
Labelled = tuple[str, int]
"""A sentence, its words separated by blanks, and its class."""


def load_sentences(config: DataConfig) -> Sentences:
    """Load a data set of sentences, preparing it where that has not been done.

    Prints how many of its words the user's word vectors have, if there are any.

    Raises:
        HighwaysError: A source or the file of word vectors is at fault, or what is prepared cannot be written;
            one line.
    """
    mark = fingerprint(config)
    path = paths.root() / "data" / "prepared" / f"{config.name}-{mark[:12]}.pt"
    try:
        content = torch.load(path, weights_only=True)
        splits: dict[Part, Split] = {part: Split(**content["splits"][part]) for part in PARTS}
        vocabulary, vectors = content["vocabulary"], content["vectors"]
    except Exception:  # not there, or damaged: torch.load raises many kinds
        labelled = read_labelled(config.name) if config.own is None else own_labelled(config.own)
        vocabulary, splits, vectors = numericalise(labelled, vectors_path(config))
        if fingerprint(config) != mark:
            changed = config.vectors or config.name
            raise HighwaysError(f"{changed}: it was changed while it was read; start again") from None
        content = {"splits": {part: vars(split) for part, split in splits.items()}}
        file = io.BytesIO()
        torch.save(content | {"vocabulary": vocabulary, "vectors": vectors}, file)
        write_whole(path, file.getvalue())
    count = classes(config.name) if config.own is None else int(splits["train"].labels.max()) + 1
    data = Sentences(config.name, splits, vocabulary, count, mark, vectors)
    if vectors is not None:
        if not data.words_with_vectors:
            raise HighwaysError(f"{config.vectors}: it has none of the {data.words:,} words of {data.name}")
        known = f"{data.words_with_vectors:,} of the {data.words:,} words of {data.name}"
        print(f"{config.vectors}: vectors of {known}", flush=True)
    return data


# Words to numbers


def numericalise(
    labelled: Mapping[Part, Sequence[Labelled]], vectors: Path | None = None
) -> tuple[list[str], dict[Part, Split], Tensor | None]:
    """Number the words of the training part, most frequent first, and write all sentences in these numbers.

    Args:
        labelled: Sentences by part; words of other parts that the training part lacks become unknown.
        vectors: File of word vectors.

    Returns:
        The vocabulary, the parts, and the vectors of the vocabulary's words, NaN for words that have none.
    """
    from torchtext.data import BucketIterator, Dataset, Example, Field

    text = Field(tokenize=str.split, include_lengths=True, batch_first=True)
    label = Field(sequential=False, use_vocab=False)
    fields = [("text", text), ("label", label)]
    sets: dict[Part, Any] = {
        part: Dataset([Example.fromlist(sentence, fields) for sentence in labelled[part]], fields) for part in PARTS
    }
    text.build_vocab(sets["train"], min_freq=1)
    assert text.vocab.stoi[text.unk_token] == UNKNOWN
    assert text.vocab.stoi[text.pad_token] == PADDING
    splits: dict[Part, Split] = {}
    for part, dataset in sets.items():
        # One batch of everything, in the order of the file: a table padded to the longest sentence.
        whole = BucketIterator(dataset, len(dataset), train=False, shuffle=False, sort=False, sort_within_batch=False)
        batch: Any = next(iter(whole))
        tokens, lengths = batch.text
        splits[part] = Split(tokens, lengths, batch.label)
    vocabulary = text.vocab.itos
    return vocabulary, splits, None if vectors is None else read_vectors(vectors, vocabulary)


def read_vectors(path: Path, vocabulary: Sequence[str] = ()) -> Tensor:
    """Read a file of word vectors in GloVe's text format, plain, gzipped or zipped, and check all of it.

    A line has a word and its numbers, separated by blanks or tabs; the word may have blanks in it, but no numbers
    between them. A first line of two numbers (the head of word2vec and fastText) and empty lines are passed over. Of
    two lines with one word the last counts.

    Args:
        path: The file.
        vocabulary: The words whose vectors are wanted.

    Returns:
        Their vectors, `(words, width)`, float32, NaN for words that have none.

    Raises:
        HighwaysError: A line has not as many numbers as the others, or fewer than two; with its number. Or there are
            no vectors.
    """
    wanted, known = set(vocabulary), {}
    width: int | None = None

    def parse(number: int, line: str) -> None:
        nonlocal width
        fields = re.split("[ \t]+", line.rstrip(" \t"))
        if fields == [""] or (number == 1 and len(fields) == 2 and all(field.isdecimal() for field in fields)):
            return
        words = 1 if width is None else max(1, len(fields) - width)
        if any(map(_is_number, fields[1:words])):
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

    read_lines(path, parse)
    if width is None:
        raise HighwaysError(f"{path}: no word vectors in it")
    none = torch.full((width,), torch.nan)
    return torch.stack([known.get(word, none) for word in vocabulary]) if vocabulary else none[None, :][:0]


def _is_number(text: str) -> bool:
    try:
        return float(text) is not None
    except ValueError:
        return False


# Files to sentences


def read_labelled(name: str) -> dict[Part, list[Labelled]]:
    """Return the labelled sentences of a data set by part, cleaned, their words separated by blanks.

    Raises:
        HighwaysError: A file is missing, altered or has a line that is at fault.
    """
    files = locate(name)
    announced = {part: examples(name, part) for part in PARTS}
    if name == "synthetic-tweets":
        drawn = iter(synthetic_tweets(sum(announced.values()), seed=0))
        labelled: dict[Part, list[Labelled]] = {part: list(islice(drawn, announced[part])) for part in PARTS}
    elif name == "tweets":
        labelled = read_tweets(files.values(), gold="SemEval2017", development="2016devtest")
    else:
        labelled = {part: read_sst(files[f"raw.clean.{part}"], coarse=name == "sst2") for part in PARTS}
    if (counts := {part: len(labelled[part]) for part in PARTS}) != announced:
        raise HighwaysError(f"{name}: {counts} sentences where sources.yaml announces {announced}")
    return labelled


def own_labelled(own: OwnFile) -> dict[Part, list[Labelled]]:
    """Return a user's sentences by part, normalised as tweets are.

    Raises:
        HighwaysError: See `read_own`.
    """
    held = read_own(own)
    labelled: dict[Part, list[Labelled]] = {part: [] for part in PARTS}
    for text, label, part in zip(held.x, held.y.tolist(), held.part.tolist(), strict=True):
        labelled[part].append((normalise(str(text)) or "<empty>", label))
    return labelled


def read_lines(path: Path, parse: Callable[[int, str], T]) -> list[T]:
    """Return what `parse` makes of each line of a file: of its number, from 1, and its text without its end.

    A byte-order mark is no part of the first line.

    Raises:
        HighwaysError: The file cannot be read or unpacked, a line is not UTF-8, or `parse` raised a `ValueError`; with
            its number.
    """
    parsed = []
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                text = line.decode("utf-8" if number > 1 else "utf-8-sig")
                parsed.append(parse(number, text.rstrip("\r\n")))
    except ValueError as error:
        raise HighwaysError(f"{path}, line {len(parsed) + 1}: {error}") from None
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:  # the last: it has a password
        raise HighwaysError(f"{path}: {getattr(error, 'strerror', None) or error or 'cannot be read'}") from None
    return parsed


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, or what is packed in it with gzip or as the only file of a zip archive, whatever its name."""
    with path.open("rb") as file:
        start = file.peek(4)[:4]
        if start[:2] == b"\x1f\x8b":
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]
        elif start == b"PK\x03\x04":
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if name[:9] != "__MACOSX/" and name[-1:] != "/"]
                if len(names) != 1:
                    held = quoted(", ".join(names), 200)
                    raise HighwaysError(f"{path}: an archive of {len(names)} files; unpack it and name one of {held}")
                with archive.open(names[0]) as member:
                    yield member
        else:
            yield file


def read_sst(path: Path, coarse: bool) -> list[Labelled]:
    """Read a file of the Stanford Sentiment Treebank as the Highway BiLSTM article ships it.

    A line is `sentence ||| label`.

    Args:
        path: The file; labels are 0 (very negative) to 4 (very positive).
        coarse: Two classes: 0 and 1 are negative, 3 and 4 positive, 2 is left out.

    Raises:
        HighwaysError: See `read_lines`.
    """

    def parse(number: int, line: str) -> Labelled:
        sentence, separator, label = line.rpartition(" ||| ")
        if not separator or label.strip() not in {"0", "1", "2", "3", "4"}:
            raise ValueError(f"expected 'sentence ||| label', the label 0 to 4, found {quoted(line)}")
        return clean(sentence), int(label)

    labelled = read_lines(path, parse)
    return [(text, int(label > 2)) for text, label in labelled if label != 2] if coarse else labelled


SEPARATE = re.compile(r"('s|'ve|'re|'d|'ll|n't|[,!?()])")


def clean(sentence: str) -> str:
    """Return a sentence in lower case, its words, endings and marks separated by single blanks.

    Other characters than letters, digits and (),!?'` become blanks; 's, 've, 're, 'd, 'll and n't become
    words of their own, as in the sentence classification of Kim (2014), which the Highway BiLSTM article follows.
    """
    return " ".join(SEPARATE.sub(r" \1 ", re.sub(r"[^A-Za-z0-9(),!?'`]", " ", sentence)).lower().split())


# Tweets

TWEET_LABELS = {"negative": 0, "positive": 1, "neutral": None}
TWEET_TOKEN = re.compile(r"<url>|<user>|#?\w+(?:'\w+)*|[^\w\s]+")


def normalise(tweet: str) -> str:
    """Return a tweet in lower case, its addresses as `<url>`, its users as `<user>`, its tokens separated by blanks."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), tweet)  # the files write some so
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # a pair is one character, half is none
    text = html.unescape(text).lower()
    text = re.sub(r"https?://\S+|www\.\S+", " <url> ", text)
    text = re.sub(r"@\w+", " <user> ", text)
    return " ".join(TWEET_TOKEN.findall(text))


def read_tweets(files: Iterable[Path], gold: str, development: str) -> dict[Part, list[Labelled]]:
    """Read the files of SemEval-2017 task 4 A, `id<TAB>label<TAB>tweet` a line, as a two-class task.

    Neutral tweets are left out, tweets whose id has conflicting labels, tweets that were not to be had
    ("Not Available"), and all but one of those that are equal once normalised; of two such in different
    parts the test part keeps its own before development and training.

    Args:
        files: All of them.
        gold: In the name of the file of test tweets.
        development: In the name of the file of development tweets; all others are for training.

    Raises:
        HighwaysError: See `read_lines`.
    """

    def parse(number: int, line: str) -> tuple[str, str, str]:
        identity, label, tweet, *_ = line.split("\t") + [""] * 2
        if label not in TWEET_LABELS:
            expected = f"the label one of {', '.join(TWEET_LABELS)}"
            raise ValueError(f"expected id, label and tweet, separated by tabs, {expected}, found {quoted(line)}")
        return identity, label, normalise(tweet)

    tweets: dict[Part, dict[str, tuple[str, str]]] = {part: {} for part in PARTS}
    labels: dict[str, set[str]] = {}
    for path in sorted(files):
        part: Part = "test" if gold in path.name else "dev" if development in path.name else "train"
        for identity, label, text in read_lines(path, parse):
            labels.setdefault(identity, set()).add(label)
            tweets[part][identity] = (label, text)
    seen: set[str] = set()
    kept: dict[Part, list[Labelled]] = {}
    for part in reversed(PARTS):
        kept[part] = []
        for identity, (label, text) in tweets[part].items():
            value = TWEET_LABELS[label]
            usable = len(labels[identity]) == 1 and text not in ("", "not available")
            if usable and value is not None and text not in seen:
                seen.add(text)
                kept[part].append((text, value))
    return {part: kept[part] for part in PARTS}
