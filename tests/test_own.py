"""Data of the user's own, by path: read, divided, counted and named by their content; faults said with their line."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toolbox import HERE, OF_MLFLOW, refused, write_idx

from highways.config import DataConfig, PicturesConfig, RunConfig, load_profile, validate
from highways.data import Images, Pictures, Sentences, classes, examples, fingerprint, load, majority
from highways.errors import HighwaysError
from highways.experiments import BILSTM_DEPTH, DEPTH, INITIALISATION
from highways.pipeline.readiness import check
from highways.training import run

TABLE = "id,width,height,kind\n" + "".join(f"{n},{n % 3},{n % 3 - 1.5},{'abc'[n % 3]}\n" for n in range(30))
SENTENCES = "says\tfeels\n" + "".join(f"It's {('bad', 'good')[n % 2]} ({n})\t{n % 2}\n" for n in range(30))


def table(path: Path, content: str | bytes = TABLE, **more: Any) -> DataConfig:
    """A configuration of a file with this content, as a YAML file gives it."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return validate(DataConfig, {"file": str(path), "label": "kind", "without": ["id"]} | more, "test")


def sentences(path: Path, content: str | bytes = SENTENCES, **more: Any) -> DataConfig:
    return table(path, content, **{"label": "feels", "text": "says", "without": []} | more)


def flat(config: DataConfig) -> Images:
    data = load(config)
    assert isinstance(data, Images)
    return data


def test_table_is_standardised_counted_and_divided_by_seed_or_column(project: Path, tmp_path: Path) -> None:
    config = table(tmp_path / "my flowers.csv")
    data = flat(config)
    assert (data.name, data.features, data.classes) == ("my-flowers.csv", 2, 3)
    assert (examples(config, "train"), examples(config, "test"), classes(config)) == (24, 6, 3)
    assert majority(config) == int(data.y["test"].bincount().max()) / 6
    torch.testing.assert_close(data.x["train"].mean(dim=0), torch.zeros(2), rtol=0, atol=1e-6)
    widths = zip(data.x["train"][:, 0].tolist(), data.y["train"].tolist(), strict=True)
    assert len(set(widths)) == 3, "a class has a width"
    with refused("my-flowers.csv has no dev part"):
        examples(config, "dev")
    first, other = (flat(table(tmp_path / "x.csv", split_seed=seed)) for seed in (0, 1))
    assert not torch.equal(first.y["train"], other.y["train"])
    rows = "".join(f"{n},{'ab'[n % 2]},{'test' if n > 6 else 'train'}\n" for n in range(10))
    divided = flat(table(tmp_path / "y.csv", f"n,kind,part\n{rows}", split="part", without=[]))
    assert (divided.features, divided.size("train"), divided.y["test"].tolist()) == (1, 7, [1, 0, 1])
    assert DataConfig.of({"file": "a.csv", "label": "kind"}) == DataConfig.of(
        DataConfig.of({"file": "a.csv", "label": "kind"})
    )
    with refused("data: unknown key 'own.lable', did you mean 'label'?"):
        DataConfig.of({"file": "a.csv", "lable": "kind"})


def test_sentences_have_three_parts_and_quotation_marks(project: Path, tmp_path: Path) -> None:
    config = sentences(tmp_path / "x.tsv", SENTENCES.replace("(3)", '"odd'))
    data = load(config)
    assert isinstance(data, Sentences)
    assert [data.size(part) for part in data.parts] == [21, 3, 6]
    assert [examples(config, part) for part in data.parts] == [21, 3, 6]
    assert {"it's", "good", '"'} <= set(data.vocabulary)
    assert load(config) is data


def test_tables_are_read_as_people_have_them(project: Path, tmp_path: Path) -> None:
    expected = flat(table(tmp_path / "x.csv")).x["train"]
    for content in (TABLE.replace(",", ";"), "\ufeff" + TABLE, TABLE.replace("\n", "\r\n"), TABLE + "\n"):
        assert torch.equal(flat(table(tmp_path / "y.csv", content)).x["train"], expected)
    latin = SENTENCES.replace("bad", "tr\xe8s").encode("latin-1")
    with refused(f"{tmp_path / 'x.tsv'}, line 2: not utf-8; say its encoding, such as latin-1"):
        load(sentences(tmp_path / "x.tsv", latin))
    data = load(sentences(tmp_path / "x.tsv", latin, encoding="latin-1"))
    assert "tr\xe8s" in data.vocabulary  # type: ignore[union-attr]


def with_line(number: int, line: str) -> str:
    lines = TABLE.splitlines(keepends=True)
    return "".join([*lines[: number - 1], f"{line}\n", *lines[number:]])


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (with_line(6, "4,one,-0.5,b"), {}, ", line 6: column 'width': 'one' is no number; `without: [width]`"),
        (with_line(6, "4,nan,-0.5,b"), {}, ", line 6: column 'width': 'nan' is no number"),
        (with_line(6, "4,1,b"), {}, ", line 6: not the 4 columns of the first line"),
        (with_line(6, "4,1,-0.5, "), {}, ", line 6: nothing in the column 'kind'"),
        (with_line(6, '4,"1,-0.5,b'), {}, ", line 31: unexpected end of data"),
        (TABLE, {"label": "sort"}, ", line 1: no column 'sort'; there are: 'id, width, height, kind'"),
        (TABLE, {"split": "width"}, ", line 2: column 'width' must be train or test, found '0'"),
        (TABLE, {"without": ["id", "width", "height"]}, ", line 1: no column of numbers in it"),
        (TABLE.replace("width", "id"), {}, ", line 1: two columns have one name"),
        (TABLE.splitlines()[0], {}, ", line 1: a line with the columns' names and at least one more are needed"),
        (TABLE[:31], {}, ": 1 class in it, at least two are needed"),
        ("\n", {}, ": nothing in it"),
        (
            TABLE + "30,1,2,d\n",
            {"split_seed": 3},
            ": class 'd' is not in the training part; try another split_seed, or",
        ),
    ],
)
def test_fault_is_one_line_with_its_number(project: Path, tmp_path: Path, content: str, changes, message: str) -> None:
    path = tmp_path / "x.csv"
    with refused(f"{path}{message}"):
        load(table(path, content, **changes))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"file": "x.csv", "lable": "kind"}, "unknown key 'own.lable', did you mean 'label'?"),
        ({"file": "x.csv", "text": "says"}, "key 'label' is missing: the column that has the classes"),
        ({"file": "x.csv", "label": "kind", "test": 1.5}, "key 'own.test': Input should be less than 1, found 1.5"),
        ({"file": "x.csv", "label": "y", "encoding": "ascci"}, "no such encoding; there are utf-8, latin-1"),
        ({"file": "x.csv", "label": "y", "text": "t", "test": 0.95}, "test and dev leave nothing to train on"),
        ({"file": "x.csv", "label": "y", "name": "digits"}, "own data have the name of their file, 'x.csv'"),
        ({"name": "x.csv"}, "no data set 'x.csv'; there are: digits, mnist"),
    ],
)
def test_description_at_fault_is_one_line(values: dict[str, Any], message: str) -> None:
    with refused("my.yaml: ") as caught:
        validate(DataConfig, values, "my.yaml")
    assert message in str(caught.value)


def test_what_is_no_file_is_one_line(project: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for path, label, message in (
        (pipe, {"label": "kind"}, f"{pipe}: a folder, a pipe or a device where a file should be"),
        (tmp_path, {"label": "kind"}, f"{tmp_path}: a folder; one of images has no label"),
        ("/nowhere.csv", {"label": "kind"}, "/nowhere.csv: No such file or directory"),
        (tmp_path, {}, f"{tmp_path}: no images there: a folder with"),
    ):
        with refused(message):
            load(validate(DataConfig, {"file": str(path)} | label, "test"))


def dense(data: DataConfig) -> RunConfig:
    values = {"network": {"kind": "plain", "depth": 2, "width": 3}, "optimiser": {"learning_rate": 0.1}}
    return RunConfig.model_validate({"data": data, "budget": {"epochs": 2, "batch_size": 10}} | values)


def test_key_follows_from_content_and_description_and_paths_are_relative_to_the_root(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(config: DataConfig) -> str:
        return dense(config).key(fingerprint(config))

    config, longer = table(tmp_path / "x.csv"), TABLE + "30,1,2,a\n31,1,2,b\n"
    (tmp_path / "elsewhere").mkdir()
    copy = table(tmp_path / "elsewhere" / "x.csv")
    assert key(copy) == key(config)
    assert flat(copy).size("train") == 24
    copy = table(tmp_path / "elsewhere" / "x.csv", longer)
    assert key(copy) != key(config)
    assert flat(copy).size("train") == 26, "it is loaded again"
    assert key(table(tmp_path / "x.csv", split_seed=1)) != key(config)
    assert RunConfig.model_validate_json(dense(config).model_dump_json()) == dense(config)
    assert "own" not in DataConfig(name="digits").model_dump()
    table(project / "x.csv")
    monkeypatch.chdir("/")
    record = run(dense(validate(DataConfig, {"file": "x.csv", "label": "kind"}, "test")), **HERE)
    assert record.run_key.startswith("plain-d002-x.csv-relu-lr0.1-s0-")


def test_experiments_take_own_data_in_place_of_a_name(project: Path, tmp_path: Path) -> None:
    tabular, spoken = table(tmp_path / "x.csv"), sentences(tmp_path / "x.tsv")
    given = tabular.own.model_dump(exclude={"encoding"})  # type: ignore[union-attr]
    small = load_profile("quick", DEPTH.schema).model_copy(update={"depths": [2]}).model_dump()
    settings = validate(DEPTH.schema, small | {"data": given}, "test")
    assert {one.data for one in settings.runs()} == {tabular}
    assert validate(DEPTH.schema, settings.model_dump(), "dumped").data == tabular
    assert validate(DEPTH.schema, small | {"data": tabular}, "of a notebook").data == tabular
    for wrong, message in (
        (spoken.own.model_dump(), "'x.tsv' holds sentences"),  # type: ignore[union-attr]
        ("mnsit", "Input should be 'digits', 'mnist', 'cifar10' or 'cifar100'"),
    ):
        with refused(f"test: key 'data': {message}"):
            validate(DEPTH.schema, small | {"data": wrong}, "test")
    texts = {"data": [{"file": str(tmp_path / "x.tsv"), "label": "feels", "text": "says"}], "vectors": "v.txt"}
    listed = load_profile("quick", BILSTM_DEPTH.schema).model_copy(update={"depths": [1]}).model_dump() | texts
    with refused("test: key 'data': x.tsv is given twice"):
        validate(BILSTM_DEPTH.schema, listed | {"data": [*texts["data"], texts["data"][0] | {"split_seed": 1}]}, "test")
    runs = validate(BILSTM_DEPTH.schema, listed, "test").runs()
    assert {(one.data.name, one.data.vectors) for one in runs} == {("x.tsv", None), ("x.tsv", "v.txt")}
    small = load_profile("quick", INITIALISATION.schema)
    settings = small.model_copy(update={"data": table(tmp_path / "x.csv")})
    assert {one.data.name for one in settings.runs()} == {"x.csv"}
    assert len(settings.analyses()) == len(small.analyses()) - 1


def pictures(folder: Path, divided: bool) -> DataConfig:
    """A folder of 20 images of two classes, all of class 1 brighter."""
    for number in range(20):
        part = ("test" if number > 15 else "train",) if divided else ()
        place = folder.joinpath(*part, str(number % 2))
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.full((4, 5), 100 * (number % 2) + number, np.uint8)
        Image.fromarray(pixels).save(place / f"{number:02}.png")
    return validate(DataConfig, {"file": str(folder)}, "test")


@pytest.mark.parametrize("divided", [True, False])
def test_folder_of_images_is_flat_or_pictures(project: Path, tmp_path: Path, divided: bool) -> None:
    config = pictures(tmp_path / "mine", divided)
    in_pictures = config.model_copy(update={"pictures": PicturesConfig()})
    data, shown = flat(config), load(in_pictures)
    assert isinstance(shown, Pictures)
    assert (data.name, data.features, shown.shape, data.classes) == ("mine.images", 20, (1, 4, 5), 2)
    assert (data.size("train"), data.size("test")) == (16, 4)
    assert examples(config, "train") == examples(in_pictures, "train") == 16
    torch.testing.assert_close(data.x["test"] * 255, shown.x["test"].flatten(1).float())
    assert torch.equal((data.x["train"][:, 0] * 255 >= 100).long(), data.y["train"])


@OF_MLFLOW
def test_stage_trains_on_own_images_and_its_table_counts_them(tracked_project: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "mine", divided=True)
    parameters = tracked_project / "profiles" / "mine" / "03_conv.yaml"
    parameters.parent.mkdir()
    trained = "profile: mine\ntrainings: [{network: keras-post, data: {%s}, epochs: 1, runs: 1}]\n"
    parameters.write_text(trained % "file: mine")
    with refused("network 'keras-post', stage 3: its pooling, 2x2, does not fit"):
        check("mine", "03_conv")
    for image in (tmp_path / "mine").rglob("*.png"):
        Image.open(image).resize((20, 20)).save(image)
    study = check("mine", "03_conv").of("mine")
    study.train()
    (row,) = [row for row in study.table().to_dict("records") if row["data"] == "mine.images"]
    (record,) = study.records()
    assert (row["network"], int(row["parameters"])) == ("keras-post", record.parameters)
    table(tmp_path / "x.csv")
    parameters.write_text(trained % "file: x.csv, label: kind")
    with refused("profiles/mine/03_conv.yaml: key 'trainings.0.data': 'x.csv' holds no images"):
        check("mine", "03_conv")


def test_image_at_fault_is_named(project: Path, tmp_path: Path) -> None:
    config, broken = pictures(tmp_path, divided=False), tmp_path / "0" / "02.png"
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(broken)
    with refused(f"{broken}: (4, 4), the first image has (4, 5)"):
        load(config)
    broken.write_bytes(b"no image")
    with refused(f"{broken}: not a PNG file that can be read"):
        load(config)
    broken.rename(tmp_path / "x.png")
    with refused(f"{tmp_path / 'x.png'}: expected <class>/*.png"):
        load(config)


def test_own_files_in_mnists_format_are_read_and_checked(project: Path, tmp_path: Path) -> None:
    config = validate(DataConfig, {"file": str(tmp_path)}, "test")
    for part, labels, message in (
        ("train", 6, r"no file 't10k-images-idx3-ubyte\.gz' in it"),
        ("t10k", 3, "there are not as many images as labels"),
        ("t10k", 6, None),
    ):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", np.arange(36).reshape(6, 2, 3))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.arange(labels) % 2)
        if message:
            with pytest.raises(HighwaysError, match=message):
                load(config)
    data = flat(config)
    assert (data.size("train"), data.size("test"), data.features, data.classes) == (6, 6, 6, 2)
