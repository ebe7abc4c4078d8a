"""Reading of pictures: what is checked, and what is kept."""

from dataclasses import dataclass, field

from benchmarking.errors import PictureError
from benchmarking.pictures import reading
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sets import open_images, open_pictures

RECIPE = Preprocessing("pillow", "bilinear", 16, 16, SCALINGS["torch"])


@dataclass
class InMemory:
    """Crops that are kept in memory."""

    recipe: Preprocessing = RECIPE
    rows: list[int] = field(default_factory=list)

    def serve(self, recipe):
        return recipe == self.recipe

    def keep(self, row, pixels):
        assert pixels.shape == (16, 16, 3)
        self.rows.append(row)


def test_the_crop_of_each_picture_is_kept_under_its_row(tree):
    pictures, kept = open_pictures(str(tree)).pictures[:3], InMemory()
    seen = list(reading.inspected(pictures, 1, [RECIPE], [kept], [7, 5, 6]))
    assert [one.problem for one in seen] == [""] * 3
    assert kept.rows == [7, 5, 6]


def test_a_picture_that_only_the_crop_refuses_is_not_taken_for_sound(tree, monkeypatch):
    """The fast check and the crop should agree; if they do not, the crop decides."""

    def damaged(picture, recipe):
        raise PictureError("is damaged at its end.")

    monkeypatch.setattr(reading, "cropped", damaged)
    pictures = open_pictures(str(tree)).pictures[:1]
    (seen,) = reading.inspected(pictures, 1, [RECIPE], [InMemory()])
    assert seen.problem.startswith("is damaged at its end")


def test_pictures_with_the_same_bytes_are_told_whatever_their_names(tree, capsys):
    """A copy can have any name; each of them counts, so that the other pictures count less."""
    first = sorted(tree.glob("*/*.png"))[0]
    (first.parent / "other name.png").write_bytes(first.read_bytes())
    capsys.readouterr()
    assert len(open_images(tree)) == 7
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"warning: identical pictures, each of which counts: 1 ({first.name} = other name.png)"
    )
