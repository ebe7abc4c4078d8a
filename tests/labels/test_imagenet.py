from collections import Counter

import numpy as np

from benchmarking.labels.imagenet import (
    class_names,
    class_of_wnid,
    validation_labels,
    validation_number,
    wnids,
)


def test_validation_labels_agree_with_the_class_folders(validation_paths):
    for path in validation_paths:
        wnid, name = path.split("/")
        number = validation_number(name)
        assert wnids()[validation_labels()[number - 1]] == wnid


def test_every_class_has_fifty_validation_pictures():
    assert np.bincount(validation_labels()).tolist() == [50] * 1000


def test_classes_are_numbered_in_order_of_wnid_as_timm_numbers_them():
    from timm.data import ImageNetInfo

    assert list(wnids()) == ImageNetInfo().label_names()
    assert list(wnids()) == sorted(set(wnids()))
    assert class_of_wnid()["n01440764"] == 0


def test_crane_and_maillot_each_name_two_classes():
    names = Counter(class_names())
    assert sorted(name for name, n in names.items() if n > 1) == ["crane", "maillot"]
    assert len(names) == 998


def test_only_names_of_existing_validation_pictures_have_a_number():
    assert validation_number("ILSVRC2012_val_00050000.JPEG") == 50_000
    assert validation_number("ILSVRC2012_val_00000001.jpg") == 1
    for name in ("ILSVRC2012_val_00000000.JPEG", "ILSVRC2012_val_00050001.JPEG", "val_1.JPEG"):
        assert validation_number(name) is None


def test_a_validation_name_may_contain_the_class_after_the_number():
    assert validation_number("ILSVRC2012_val_00000293_n01440764.JPEG") == 293
    assert validation_number("ilsvrc2012_val_00000293_N01440764.png") == 293
    for name in ("ILSVRC2012_val_00000293_n01443537.JPEG", "ILSVRC2012_val_00000293.txt"):
        assert validation_number(name) is None
