"""Texts: read line by line with clear errors, cleaned, numbered, and in batches of one length."""

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from toolbox import config_of, refused

from highways.config import DataConfig, RunConfig
from highways.data import Sentences, fingerprint, load
from highways.data.loading import _load
from highways.data.sentences import PADDING, SentenceBatches
from highways.data.synthetic import tweets
from highways.data.text import clean, normalise, numericalise, read_labelled, read_sst, read_tweets, read_vectors
from highways.nn import build_network
from highways.training import run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_treebank_is_read_in_five_classes_and_in_two_and_texts_are_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "raw.clean.train"
    path.write_text("A good one . ||| 4\nNot so good ||| 1\nIt is a film ||| 2\n")
    assert read_sst(path, coarse=False) == [("a good one", 4), ("not so good", 1), ("it is a film", 2)]
    assert read_sst(path, coarse=True) == [("a good one", 1), ("not so good", 0)]
    assert clean("It 's n't THAT bad-ish, isn't it?!") == "it 's n't that bad ish , is n't it ? !"
    assert clean("They'll (we've) say I'd") == "they 'll ( we 've ) say i 'd"
    raw = "@You &amp; me: SO #happy :) http://t.co/x don\\u2019t www.a.b"
    assert normalise(raw) == "<user> & me : so #happy :) <url> don ’ t <url>"
    assert normalise("so \\ud83d\\ude00 and \\ud83d !") == "so \U0001f600 and \ufffd !"


TRAIN = """1\tpositive\tlove it
2\tnegative\thate it
3\tneutral\tit is
4\tpositive\tconflict
5\tpositive\tLOVE it
6\tnegative\tNot Available
7\tpositive\talso in the test part
"""


def test_tweets_lose_conflicts_and_duplicates(tmp_path: Path) -> None:
    files = {
        "twitter-2013train-A.tsv": TRAIN,
        "twitter-2016devtest-A.tsv": "4\tnegative\tconflict\n8\tnegative\tmeh\n",
        "gold-SemEval2017.txt": "9\tnegative\tAlso in the test part\n2\tnegative\tx\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    found = read_tweets([tmp_path / name for name in files])
    assert found["train"] == [("love it", 1), ("hate it", 0)]
    assert found["dev"] == [("meh", 0)]
    assert found["test"] == [("also in the test part", 0), ("x", 0)]


def test_synthetic_tweets_are_different_and_balanced_and_no_bag_of_words_solves_them(project: Path) -> None:
    made = tweets(20_000, seed=3)
    assert made[:1000] == tweets(1000, seed=3) != tweets(1000, seed=4)
    assert len({text for text, _ in made}) == 20_000
    assert sum(label for _, label in made) == 10_000
    by_bag: dict[tuple[str, ...], set[int]] = {}
    for text, label in made:
        by_bag.setdefault(tuple(sorted(text.split())), set()).add(label)
    assert any(len(labels) == 2 for labels in by_bag.values())
    labelled = read_labelled(DataConfig(name="synthetic-tweets"))
    count = CountVectorizer(token_pattern=r"\S+")
    (train, y), (test, z) = (zip(*labelled[part], strict=True) for part in ("train", "test"))
    model = LogisticRegression(max_iter=2000).fit(count.fit_transform(train), y)
    assert model.score(count.transform(test), z) < 0.56


def test_words_that_only_other_parts_have_are_unknown() -> None:
    labelled = {"train": [("a b b", 0), ("b c", 1)], "dev": [("c d", 0)], "test": [("e", 1)]}
    vocabulary, splits = numericalise(labelled)
    assert vocabulary == ["<unk>", "<pad>", "b", "a", "c"]
    assert splits["train"]["tokens"].tolist() == [[3, 2, 2], [2, 4, 1]]
    assert splits["train"]["lengths"].tolist() == [3, 2]
    assert splits["dev"]["tokens"].tolist() == [[4, 0]]
    assert splits["test"]["labels"].tolist() == [1]


def vectors_run(path: Path, embedding: int) -> RunConfig:
    network = {"family": "bilstm", "kind": "plain", "depth": 1, "hidden": 3, "embedding": embedding}
    return config_of(network, {"name": "synthetic-tweets", "vectors": str(path)})


@pytest.fixture
def path(project: Path, tmp_path: Path) -> Path:
    """A file of vectors, of one word of the synthetic tweets and of another."""
    (tmp_path / "vectors.txt").write_text("film 1 2 3\nqwerty 4 5 6\n")
    return tmp_path / "vectors.txt"


def test_word_vectors_are_taken_by_path_and_enter_the_key_by_content(path: Path) -> None:
    config, data = vectors_run(path, 3), load(vectors_run(path, 3).data)
    assert isinstance(data, Sentences)
    network, plain = build_network(config, data), build_network(config, load("synthetic-tweets"))
    film, other = data.vocabulary.index("film"), data.vocabulary.index("cast")
    assert network.embedding.weight[film].tolist() == [1, 2, 3]
    assert torch.equal(network.embedding.weight[other], plain.embedding.weight[other]), "other words are drawn"
    with refused("the vectors of data.vectors are 3 wide, and network.embedding is 4"):
        build_network(vectors_run(path, 4), data)

    def key(path: Path) -> str:
        config = vectors_run(path, 3)
        return config.key(fingerprint(config.data))

    before, moved = key(path), path.with_name("moved.txt")
    path.rename(moved)
    with refused(f"{path}: No such file"):
        key(path)
    assert key(moved) == before, "the place of the file does not matter"
    moved.write_text("film 1 2 4\n")
    assert key(moved) != before


def zipped(content: bytes, *names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names or ("glove.txt",):
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a 1 2\nb 1 2 3\n", ", line 2: 3 numbers behind the word, expected 2 as in the lines before"),
        (b"a 1 2\nb 1 x\n", ", line 2: could not convert string to float: 'x'"),
        (b"1 2\n3 4\n", ", line 2: 1 numbers behind the word, expected at least 2"),
        (b"a 1 2\nb 1 nan\n", ", line 2: a number that is not finite"),
        (b"2 3\n", ": no word vectors in it"),
        (gzip.compress(b"a 1 2\n", mtime=0)[:-9], ": Compressed file ended"),
        (zipped(b"a 1 2", "glove.50d.txt", "glove.100d.txt"), ": an archive of 2 files; unpack it"),
    ],
)
def test_faulty_vectors_are_named(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with refused(f"{path}{message}"):
        read_vectors(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zipped])
@pytest.mark.parametrize(
    "text",
    ["3 3\nfilm 0 0 0\n. . . 4 5 6\nfilm 1 2 3\n", "\ufefffilm\t1 2 3 \r\n. . .  4\t5 6\r\n\r\n"],
    ids=["word2vec, the last of a word counts", "marks and blanks"],
)
def test_vectors_are_read_as_people_have_them(path: Path, text: str, pack: Callable[[bytes], bytes]) -> None:
    path.write_bytes(pack(text.encode()))
    found = read_vectors(path, ["film", ". . .", "<unk>"])
    assert found[:2].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found[2].isnan().all()


def test_number_of_words_with_vectors_is_printed_and_recorded_and_none_is_an_error(path: Path, capsys) -> None:
    record = run(vectors_run(path, 3), mlflow=False)
    words = len(load("synthetic-tweets").vocabulary) - 2  # type: ignore[union-attr]
    assert f"{path}: vectors of 1 of the {words} words of synthetic-tweets" in capsys.readouterr().out
    assert record.environment["vectors"] == f"1 of {words} words"
    path.write_text("qwerty 1 2 3\n")
    for _ in range(2):
        with refused(f"{path}: it has none of the {words} words of synthetic-tweets"):
            load(vectors_run(path, 3).data)


def test_damaged_prepared_data_are_made_again(project: Path) -> None:
    _load.cache_clear()
    load("synthetic-tweets")
    (prepared,) = (project / "data" / "prepared").iterdir()
    whole = prepared.read_bytes()
    for damaged in (b"", b"other", whole[: len(whole) // 2]):
        prepared.write_bytes(damaged)
        _load.cache_clear()
        load("synthetic-tweets")
        assert prepared.read_bytes() == whole


LENGTHS = [3, 1, 3, 2, 3, 5, 3, 2, 1, 3]


def sentence_batches(size: int | None, seed: int | None) -> SentenceBatches:
    """Batches of sentences whose words are their own number."""
    tokens = torch.full((len(LENGTHS), max(LENGTHS)), PADDING)
    for row, length in enumerate(LENGTHS):
        tokens[row, :length] = row + 10
    lengths = torch.tensor(LENGTHS)
    return SentenceBatches(tokens, torch.arange(len(LENGTHS)), size, seed, lengths=lengths)


@pytest.mark.parametrize(("size", "seed"), [(2, 0), (4, 7), (None, None)])
def test_every_sentence_is_in_one_batch_of_its_length(size: int | None, seed: int | None) -> None:
    made = list(sentence_batches(size, seed))
    assert sorted(torch.cat([y for _, y in made]).tolist()) == list(range(len(LENGTHS)))
    for x, y in made:
        assert {LENGTHS[row] for row in y.tolist()} == {x.shape[1]}
        assert torch.equal(x, (y + 10)[:, None].expand_as(x)), "no padding"
        assert size is None or len(y) <= size
    assert len(sentence_batches(size, seed)) == len(made)


def of_kind(kind: str, padding: str = "none") -> RunConfig:
    network = {"family": "bilstm", "kind": kind, "depth": 2, "hidden": 4, "embedding": 4, "padding": padding}
    network |= {"transform_bias": -1.0} if kind == "highway" else {}
    return config_of(network, "synthetic-tweets")


def logits(config: RunConfig, behind: int = PADDING) -> torch.Tensor:
    """The test sentences' logits, in the order of the file; `behind` is the word behind each."""
    data = load("synthetic-tweets")
    assert isinstance(data, Sentences)
    network, tokens, lengths = build_network(config, data).eval(), data.x["test"], data.lengths["test"]
    past = torch.arange(tokens.shape[1])[None] >= lengths[:, None]
    changed, rows = torch.where(past, behind, tokens), torch.arange(len(tokens))
    found = torch.empty(data.size("test"), 2)
    with torch.no_grad():
        for x, y in replace(data, x={"test": changed}, y={"test": rows}).evaluation_batches(config, "test"):
            for block in network.blocks:
                if hasattr(block, "gate") and hasattr(block.gate, "calls"):
                    block.gate.calls = 0  # the same gate for all
            found[y] = network(x)
    return found


@pytest.mark.parametrize("kind", ["plain", "highway", "highway-released"])
def test_padding_reaches_a_result_only_where_it_is_let_in(project: Path, kind: str) -> None:
    whole = logits(of_kind(kind))
    assert torch.equal(logits(of_kind(kind), behind=7), whole)
    if kind == "highway-released":
        assert not torch.allclose(logits(of_kind(kind, "seen")), whole, atol=1e-3)
