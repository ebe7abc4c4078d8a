"""ObjectNet and ImageNet-Hard in miniature: several classes are right for a picture."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import digests
from PIL import Image

from benchmarking.errors import PictureError
from benchmarking.labels.imagenet import class_names, class_of_wnid
from benchmarking.labels.label_set import every_image
from benchmarking.pictures.crop_stream import crop_of
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sets import open_images, open_pictures
from benchmarking.predictions.import_export import export_tables
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK
from benchmarking.scoring.aggregate import aggregate

FOLDERS = {
    "alarm_clock": ("Alarm clock", ["analog clock", "digital clock"]),
    "banana": ("Banana", ["banana"]),
    "tray": ("Tray", []),  # in no class of ImageNet
}
SIDE = 40
WHOLE = Preprocessing("pillow", "bilinear", SIDE - 2, SIDE - 2, SCALINGS["torch"])


def in_a_red_frame(data: bytes) -> Image.Image:
    """A real picture of SIDE pixels with ObjectNet's border of one pixel."""
    with Image.open(io.BytesIO(data)) as file:
        inside = file.convert("RGB").resize((SIDE - 2, SIDE - 2))
    framed = Image.new("RGB", (SIDE, SIDE), (255, 0, 0))
    framed.paste(inside, (1, 1))
    return framed


@pytest.fixture(scope="module")
def objectnet(sample_images, tmp_path_factory) -> Path:
    """ObjectNet's layout; line 0 of its names is class 999, and so on down."""
    root = tmp_path_factory.mktemp("sets") / "objectnet-1.0"
    files = iter(sorted(sample_images.glob("n*/*.JPEG")))
    for folder in FOLDERS:
        (root / "images" / folder).mkdir(parents=True)
        for number in range(2):
            framed = in_a_red_frame(next(files).read_bytes())
            framed.save(root / "images" / folder / f"{number}.png")
    maps = root / "mappings"
    maps.mkdir()
    names = list(class_names())  # as in the real file, two classes are a "crane"
    assert names.count("crane") == 2
    documents = {
        "folder_to_objectnet_label": {name: label for name, (label, _) in FOLDERS.items()},
        "objectnet_to_imagenet_1k": {
            label: "; ".join(right) for label, right in FOLDERS.values() if right
        },
        "pytorch_to_imagenet_2012_id": {str(index): 999 - index for index in range(1000)},
    }
    for name, document in documents.items():
        (maps / f"{name}.json").write_text(json.dumps(document))
    (maps / "imagenet_to_label_2012_v2").write_text("\n".join(reversed(names)) + "\n")
    return root


def index(name: str) -> int:
    return class_names().index(name)


def test_every_class_of_an_objectnet_folder_is_right_and_other_folders_are_left_out(objectnet):
    found = open_pictures(str(objectnet))
    clocks = tuple(sorted((index("analog clock"), index("digital clock"))))
    assert {picture.key: picture.right for picture in found.pictures} == {
        "alarm_clock/0.png": clocks,
        "alarm_clock/1.png": clocks,
        "banana/0.png": (index("banana"),),
        "banana/1.png": (index("banana"),),
    }
    assert found.classes == tuple(sorted((*clocks, index("banana"))))
    assert found.left_out == ("images/tray/",)
    assert (found.name, found.picture_set) == ("objectnet", "objectnet")


def test_the_red_border_of_objectnet_is_cut_off_before_the_recipe(objectnet):
    picture = open_pictures(str(objectnet)).pictures[0]
    with Image.open(objectnet / "images" / picture.key) as file:
        inside = np.asarray(file)[1:-1, 1:-1]
    assert np.array_equal(crop_of(picture, WHOLE), inside)


def test_pictures_with_and_without_a_border_are_different_image_sets(objectnet):
    pictures = open_pictures(str(objectnet)).pictures
    whole = [Picture(one.key, one.label, one.place, one.also) for one in pictures]
    with_border, without = (
        image_set("set", some, digests(some)).fingerprint for some in (whole, pictures)
    )
    assert with_border != without


def test_a_picture_that_is_all_border_is_refused(tmp_path):
    file = tmp_path / "x.png"
    Image.new("RGB", (2, 9)).save(file)
    with pytest.raises(PictureError, match="has 2 x 9 pixels, all of them in its border of 1"):
        crop_of(Picture("x", 0, FilePart(str(file)), border=1), WHOLE)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("objectnet_to_imagenet_1k.json", '{"Banana": "plantain"}', "has 'plantain', which no"),
        ("objectnet_to_imagenet_1k.json", '{"Banana": "crane"}', "is the name of 2 classes"),
        ("objectnet_to_imagenet_1k.json", "[]", "is no mapping of names"),
        ("folder_to_objectnet_label.json", "{}", "has 'Alarm clock', which no other mapping"),
        ("pytorch_to_imagenet_2012_id.json", '{"0": 0}', "names 1 classes; expected"),
        ("pytorch_to_imagenet_2012_id.json", '{"x": 0}', "maps 'x' to '0'; expected a class"),
        ("pytorch_to_imagenet_2012_id.json", '{"0": "y"}', "maps '0' to 'y'; expected a class"),
        ("imagenet_to_label_2012_v2", "tench", "among the 1 of imagenet_to_label_2012_v2"),
        ("pytorch_to_imagenet_2012_id.json", "{", "is no JSON"),
    ],
)
def test_a_broken_mapping_of_objectnet_is_named(file, text, message, objectnet, tmp_path):
    root = tmp_path / "objectnet-1.0"
    (root / "mappings").mkdir(parents=True)
    for path in (objectnet / "mappings").iterdir():
        (root / "mappings" / path.name).write_bytes(path.read_bytes())
    (root / "images").symlink_to(objectnet / "images")
    (root / "mappings" / file).write_text(text)
    with pytest.raises(PictureError, match=message):
        open_pictures(str(root))


def test_a_folder_of_objectnet_without_pictures_is_named(objectnet, tmp_path):
    root = tmp_path / "objectnet-1.0"
    root.mkdir()
    (root / "mappings").symlink_to(objectnet / "mappings")
    (root / "images" / "banana").mkdir(parents=True)
    with pytest.raises(PictureError, match="images/alarm_clock cannot be read"):
        open_pictures(str(root))


def a_hard_file(path: Path, sample_images: Path, labels: list[list[int] | None]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted(sample_images.glob("n*/*.JPEG"))[: len(labels)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": file.read_bytes(), "path": None} for file in files]
    columns = {
        "image": pa.array(images, kind),
        "label": pa.array(labels, pa.list_(pa.int64())),
        "origin": pa.array(["imagenet"] * len(labels)),
        "english_label": pa.array([["x"]] * len(labels)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def test_every_class_in_the_list_of_an_imagenet_hard_picture_is_right(sample_images, tmp_path):
    lists = [[5, 3], [7], [5], [0, 999, 4]]
    file = a_hard_file(
        tmp_path / "data" / "validation-00000-of-00001.parquet", sample_images, lists
    )
    for where in (file, tmp_path):
        found = open_pictures(str(where))
        assert found.picture_set == "imagenet-hard"
        assert sorted(one.right for one in found.pictures) == sorted(map(tuple, lists))
        first = next(one for one in found.pictures if one.right == (5, 3))
        with Image.open(io.BytesIO(first.read())) as picture:
            assert picture.format == "JPEG"


@pytest.mark.parametrize("wrong", [[], None, [1000], [-1]])
def test_an_imagenet_hard_picture_needs_classes_of_imagenet(wrong, sample_images, tmp_path):
    file = a_hard_file(tmp_path / "x.parquet", sample_images, [[1], wrong])
    with pytest.raises(
        PictureError, match="row 1 has the labels .* expected a list of classes from 0 to 999"
    ):
        open_pictures(str(file))


def test_an_imagenet_hard_file_with_one_class_in_place_of_lists_is_refused(sample_images, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = a_hard_file(tmp_path / "x.parquet", sample_images, [[5], [7]])
    table = pq.read_table(file)
    at = table.schema.get_field_index("label")
    pq.write_table(table.set_column(at, "label", pa.array([5, 7])), file)
    with pytest.raises(PictureError, match="row 0 has the labels 5; expected a list of classes"):
        open_pictures(str(file))


@pytest.fixture
def stored(sample_images, tmp_path, a_provenance) -> tuple[Store, Run, list[list[int]]]:
    lists = [[5, 3], [7], [5], [0, 999, 4]]
    images = open_images(a_hard_file(tmp_path / "x.parquet", sample_images, lists))
    run = Run(images.name, "mine", "net", "published")
    guesses = {5: [3, 9, 8, 7, 6], 7: [9, 8, 7, 6, 5], 0: [4, 1, 2, 3, 5]}
    classes = np.array([guesses[one.label] for one in images.pictures])
    top = TopK(classes, np.tile(np.linspace(0.5, 0.1, 5, dtype=np.float32), (4, 1)))
    store = Store(tmp_path / "store")
    store.write(run, images, top, a_provenance(images))
    return store, run, [list(one.right) for one in images.pictures]


def test_a_table_counts_a_guess_as_right_if_it_is_any_of_the_classes(stored):
    store, run, right = stored
    guesses = store.classes(run).tolist()
    table = aggregate(store, run.images)
    for name, k in (("Acc@1", 1), ("Acc@5", 5)):
        hits = sum(
            bool(set(row[:k]).intersection(classes))
            for row, classes in zip(guesses, right, strict=True)
        )
        assert table.rows[0].scores[name].right == hits
    assert table.label_sets == ("original",)


def test_the_list_of_pictures_of_a_store_keeps_all_classes(stored):
    store, run, right = stored
    text = store.rows_path(run.images).read_text()
    assert [line.rpartition(",")[2] for line in text.splitlines()[1:]] == [
        " ".join(map(str, classes)) for classes in right
    ]
    kept = every_image(store.right_classes(run.images))
    assert [[one for one in row if one >= 0] for row in kept.classes.tolist()] == right
    assert store.labels(run.images).tolist() == [classes[0] for classes in right]


def test_a_run_with_several_right_classes_is_not_exported_with_only_one_of_them(stored, tmp_path):
    store, run, _ = stored
    (error,) = export_tables(store, [run], tmp_path / "out")
    assert "several classes are right for some pictures" in str(error)
    assert not (tmp_path / "out").exists()


def test_a_picture_has_the_class_of_its_folder_alone_elsewhere(sample_images):
    picture = open_pictures(str(sample_images)).pictures[0]
    assert picture.right == (class_of_wnid()[picture.place.path.parent.name],)
