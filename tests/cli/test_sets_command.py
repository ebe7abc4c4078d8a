"""The command that lists the published picture sets."""

from benchmarking.pictures.sets import published_sets


def test_every_published_set_is_listed_with_its_digest_and_how_it_is_scored(call):
    status, output, _ = call("sets")
    assert status == 0
    assert [line for line in output.splitlines() if not line.startswith(" ")] == [*published_sets()]
    assert "archive: imagenet-a.tar, 687,552,512 bytes, sha256 3bb3632277e6ba6392" in output
    assert "scored by: AUPR of the largest probability over its 200 classes" in output
    assert output.count("here: no") == len(published_sets())


def test_sets_in_a_folder_are_found_by_their_names_and_layouts(call, tmp_path):
    (tmp_path / "imagenet-a").mkdir()
    (tmp_path / "c" / "fog" / "1").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    _, output, _ = call("sets", tmp_path)
    lines = _named(output)
    about = dict(zip(lines[::2], lines[1::2], strict=True))
    assert about["imagenet-a"] == f"  here: {tmp_path / 'imagenet-a'}"
    assert about["imagenet-c"] == f"  here: {tmp_path / 'c'}"
    assert about["imagenet-r"] == "  here: no"


def _named(output: str) -> list[str]:
    """Each name of a set, followed by the line that says where the set is."""
    lines = output.splitlines()
    return [one for one in lines if not one.startswith(" ") or one.startswith("  here:")]


def test_a_folder_that_cannot_be_read_is_named(call, tmp_path):
    status, _, error = call("sets", tmp_path / "missing")
    assert (status, "missing cannot be read: No such file" in error) == (2, True)
