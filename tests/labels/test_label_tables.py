"""Tables of labels in common formats: headings, separators, suffixes; what is refused."""

import json

import pytest
from conftest import DATA

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_key, validation_labels, wnids
from benchmarking.labels.label_files import labels_from
from benchmarking.labels.label_set import NO_CLASS

NUMBERS = (37, 88, 128, 198)
KEYS = tuple(map(validation_key, NUMBERS))
CLASSES = [int(validation_labels()[number - 1]) for number in NUMBERS]
STEMS = [key.removesuffix(".JPEG") for key in KEYS]
IDS = [wnids()[label] for label in CLASSES]


def table(line, heading="", names=KEYS, classes=CLASSES):
    lines = [
        line.format(name, label, wnids()[label], row, label + 1)
        for row, (name, label) in enumerate(zip(names, classes, strict=True))
    ]
    return "\n".join([heading] * bool(heading) + lines) + "\n"


WHOLE = {
    "no heading": table("{},{}"),
    "a blank after the comma": table("{}, {}"),
    "blanks around all": table(" {} , {} ", " file , label "),
    "caffe": table("{} {}"),
    "a comment before": "# val.txt of Caffe\n" + table("{} {}"),
    "several blanks": table("{}   {}  "),
    "the separator in the first line": "sep=;\n" + table("{};{}", "file;label"),
    "the separator in quotes": '"sep=,"\r\n' + table("{},{}"),
    "tabs": table("{}\t{}", "filename\tclass"),
    "semicolons": table("{};{}", "Bild;label;", KEYS).replace("Bild", "Image"),
    "semicolons and a point": table("{};{}.0"),
    "a byte order mark": "\ufeff" + table("{},{}"),
    "a byte order mark before headings": "\ufeff" + table("{},{}", "file,label"),
    "lines of Windows": table("{},{}", "file,label").replace("\n", "\r\n"),
    "empty lines": table("{},{}\n", "file,label\n"),
    "quotes": table('"{}","{}"', '"file","label"'),
    "float classes": table("{},{}.0", "file,label"),
    "numbers of NumPy": table("{},{}.000000000000000000e+00", "# file,label"),
    "no suffix": table("{},{}", "ImageId,Class", STEMS),
    "another suffix": table("{},{}", names=[f"{stem}.jpg" for stem in STEMS]),
    "a suffix of PNG": table("{},{}", names=[f"{stem}.PNG" for stem in STEMS]),
    "folders": table("val/{2}/{0},{1}"),
    "backslashes": table("C:\\val\\{2}\\{0},{1}"),
    "WordNet ids": table("{0},{2}", "image,wnid"),
    "ids in capitals": table("{0},{2}", "image,synset").replace(",n", ",N"),
    "Kaggle": table("{0},{2} 115 49 448 294 ", "ImageId,PredictionString", STEMS),
    "Kaggle with two boxes": table("{0},{2} 1 2 3 4 {2} 5 6 7 8 ", "ImageId,PredictionString"),
    "counted lines, as MXNet has them": table("{3}\t{1}.000000\t{2}/{0}"),
    "a class before its name": table("{1},{0}"),
    "a class before its name, with headings": table("{1},{0}", "label,path"),
    "pandas": table("{3},{0},{1}", ",file,label"),
    "class and id": table("{0},{1},{2}", "file,label,wnid"),
    "class and id without headings": table("{0},{1},{2}"),
    "class and its name": table("{0},tench,{1}", "file,class,class_id"),
    "our own export": table(
        "{0},{1},7,8,0.5,0.3", "key,label,class1,class2,probability1,probability2"
    ),
    "a prediction": table("{0},{1},{4}", "file,label,predicted"),
    "a prediction before": table("{0},{4},{1}", "file,pred,label"),
    "y and prediction": table("{0},{1},{4}", "path,y_true,y_pred"),
    "a score": table("{0},{1},0.7", "file,target,score"),
    "an unknown heading of pictures": table("{0},{1}", "val,label"),
    "of two names the file": table("{3},{0},{1}", "id,file_name,category_id"),
    "a list in brackets": table('{0},"[{1}]"', "file,label"),
    "no class twice": table("{0},{1},{1}", "file,label1,label2"),
    "headings in capitals": table("{0},{1}", "FILE NAME,Class Index"),
    "given": table("{0},{1}", "image,true_label"),
}


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_tables_in_common_formats_give_the_class_of_each_picture(tmp_path, text, suffix):
    path = tmp_path / f"labels{suffix}"
    path.write_bytes(text.encode())
    labels = labels_from(path, KEYS)
    assert labels.rows.tolist() == [0, 1, 2, 3]
    assert labels.classes.tolist() == [[label] for label in CLASSES]


def test_utf_16_text_of_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(table("{}\t{}", "file\tlabel").encode("utf-16"))
    assert labels_from(path, KEYS).classes[:, 0].tolist() == CLASSES


@pytest.mark.parametrize(
    "text",
    [
        table("{},{},5"),
        table("{},{},5", "file,label1,label2"),
        table("{},{},5", "file,class_0,class_1"),
        table('{},"[{}, 5]"', "file,label"),
        table("{},{} 5", "file,labels"),
        table("{},{}|5", "file,labels"),
    ],
)
def test_several_classes_are_read_if_all_other_columns_contain_classes(tmp_path, text):
    (tmp_path / "l.csv").write_text(text)
    labels = labels_from(tmp_path / "l.csv", KEYS)
    assert labels.classes.tolist() == [[label, 5] for label in CLASSES]


def test_a_note_says_that_all_columns_without_headings_count_as_classes(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text(table("{},{},0"))  # a decimal comma, perhaps
    assert labels_from(path, KEYS).notes == (
        f"note: {path}: it has no headings, so the classes of all 2 columns beside the names count "
        "as right",
        f"note: {path}: 4 of 4 pictures have several right classes, up to 2, any of which counts; "
        "predictions are no labels",
    )
    path.write_text(table("{0},{1},{2}"))
    assert labels_from(path, KEYS).notes == ()


def test_three_columns_of_classes_are_not_taken_for_one_hot_columns(tmp_path):
    (tmp_path / "l.csv").write_text(table("{},{},5,7", "file,label1,label2,label3"))
    labels = labels_from(tmp_path / "l.csv", KEYS)
    assert labels.classes.tolist() == [[label, 5, 7] for label in CLASSES]


@pytest.mark.parametrize("with_headings", [False, True])
def test_one_hot_columns_give_the_class_that_has_a_1(tmp_path, with_headings):
    heading = ",".join(["file", *(f"class_{label}" for label in range(1000))])
    lines = [
        ",".join([key, *(str(int(at == label)) for at in range(1000))])
        for key, label in zip(KEYS, CLASSES, strict=True)
    ]
    (tmp_path / "l.csv").write_text("\n".join([heading] * with_headings + lines))
    labels = labels_from(tmp_path / "l.csv", KEYS)
    assert labels.classes.tolist() == [[label] for label in CLASSES]


def test_a_note_names_the_columns_that_are_not_read(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text(WHOLE["a prediction"])
    assert labels_from(path, KEYS).notes == (
        f"note: {path}: columns that were not read: 'predicted'",
    )


REFUSED = {
    "predictions alone": (
        table("{},{}", "file,predicted"),
        "none of its headings, 'file', 'predicted', is a heading of classes",
    ),
    "some columns of classes": (
        table("{},{},5,0.5", "file,class_0,class_1,score"),
        "only some of its headings, 'file', 'class_0', 'class_1', 'score', are headings of",
    ),
    "a column for each name of a class": (
        table("{},0,0,0,1,0,0,0,0,0", "file," + ",".join(f"fish {at}" for at in "abcdefghi")),
        "none of its headings, 'file', .*, 'fish g' and 2 more, is a heading of classes",
    ),
    "a number and a box": (
        table("{0},{1} 1 2 30 40", "ImageId,PredictionString"),
        "'32 1 2 30 40' can be a class and its bounding box, or several classes; write only the",
    ),
    "two labels": (
        table("{0},{1},{4}", "file,given_label,corrected_label"),
        "its columns 'given_label', 'corrected_label' have different classes",
    ),
    "names of classes": (table("{0},tench", "file,label"), "'tench' is not a class; classes are"),
    "a probability": (table("{0},{1},0.7"), "'0.7' is not a class"),
    "ids and numbers": (table("{0},{2},1,2,3,4"), "are WordNet ids and numbers; write headings"),
    "no class of the validation set": (
        table("{0},{1}", classes=[*CLASSES[:3], 999]).replace("999", "1000"),
        "1000 is not a class; expected 0 to 999",
    ),
    "a decimal comma": (table("{0};{1},0"), "is not a class"),
    "a line without a class": (f"{KEYS[0]},3\n{KEYS[1]},tench\n", "'tench' is not a class"),
    "a first line without a class": (f"{KEYS[0]},tench\n{KEYS[1]},3\n", "'tench' is not a class"),
    "names alone": ("\n".join(KEYS), "it has only names of pictures, and no classes"),
    "headings alone": ("file,label\n", "it has only headings"),
    "nothing": ("\n\n", "it is empty"),
    "no pictures": (
        table("{3},{1}", "file,label", names=KEYS) + "x.png,3\n",
        "match no picture of",
    ),
    "a digit and a line": (f"{KEYS[0]},6_5\n", "'6_5' is not a class"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_ambiguous_and_wrong_tables_are_refused(tmp_path, text, message):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(BenchmarkError, match=message):
        labels_from(tmp_path / "l.csv", KEYS)


def test_classes_counted_from_1_in_a_table_with_names_are_mapped_with_a_note(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text(table("{0},{4}"))
    labels = labels_from(path, KEYS)
    assert labels.classes[:, 0].tolist() == CLASSES
    assert labels.notes[0].startswith(f"note: {path} has classes counted from 1: mapped to")


def test_labels_that_agree_only_by_chance_are_a_warning(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text(table("{0},{1}", classes=[500, 600, 700, 800]))
    labels = labels_from(path, KEYS)
    assert labels.classes[:, 0].tolist() == [500, 600, 700, 800]
    assert labels.notes == (
        f"warning: {path}: labels agree with the set's own in 0.0 % of 4 pictures, about as by "
        "chance: probably another order",
    )


def test_one_picture_with_another_class_gives_no_warning(tmp_path):
    (tmp_path / "l.csv").write_text(f"{KEYS[0]},500\n")
    assert labels_from(tmp_path / "l.csv", KEYS).notes == ()


def test_json_objects_are_read_like_lines_of_a_table(tmp_path):
    records = [
        {"file_name": key, "label": label} for key, label in zip(STEMS, CLASSES, strict=True)
    ]
    (tmp_path / "l.json").write_text(json.dumps(records), encoding="utf-8-sig")
    assert labels_from(tmp_path / "l.json", KEYS).classes[:, 0].tolist() == CLASSES


@pytest.mark.parametrize(
    "name",
    [
        *("blank_after_comma.csv", "caffe_val.txt", "float_classes.csv", "kaggle_solution.csv"),
        *("no_suffix.csv", "one_based.csv", "prediction_column.csv", "with_bom.csv"),
    ],
)
def test_label_files_from_common_sources_are_read(name):
    path = DATA / "odd_inputs" / "labels" / name
    if not path.is_file():
        pytest.skip(f"{path} is missing: label files as people have them")
    labels = labels_from(path, KEYS)
    assert [line[0] for line in labels.classes.tolist()] == CLASSES
    assert (labels.classes[:, 1:] == NO_CLASS).all()


@pytest.mark.parametrize("order", [str, lambda label: -label], ids=["as text", "backwards"])
def test_one_hot_columns_in_any_order_give_the_class_in_their_heading(tmp_path, order):
    columns = sorted(range(1000), key=order)
    heading = ",".join(["file", *(f"class_{label}" for label in columns)])
    lines = [
        ",".join([key, *(str(int(at == label)) for at in columns)])
        for key, label in zip(KEYS, CLASSES, strict=True)
    ]
    (tmp_path / "l.csv").write_text("\n".join([heading, *lines]))
    labels = labels_from(tmp_path / "l.csv", KEYS)
    assert labels.classes.tolist() == [[label] for label in CLASSES]


def test_one_hot_columns_of_some_classes_give_the_class_in_their_heading(tmp_path):
    heading = ",".join(["file", *(f"label {label}" for label in CLASSES)])
    lines = [
        ",".join([key, *("1.0" if label == at else "0.0" for at in CLASSES)])
        for key, label in zip(KEYS, CLASSES, strict=True)
    ]
    (tmp_path / "l.csv").write_text("\n".join([heading, *lines]))
    assert labels_from(tmp_path / "l.csv", KEYS).classes[:, 0].tolist() == CLASSES
