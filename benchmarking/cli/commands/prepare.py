"""Unpack the official validation tar into a folder for each class.

TAR is ILSVRC2012_img_val.tar, 6.3 GiB, which registered users get from image-net.org.
DIR gets the layout that other programs expect, such as torchvision's ImageFolder:

  DIR/n01440764/ILSVRC2012_val_00000293.JPEG
  DIR/n01440764/ILSVRC2012_val_00002138.JPEG
  ...
  DIR/n15075141/ILSVRC2012_val_00049174.JPEG

'predict' reads the tar directly, so you need this only for other programs. The size and the md5 of
the tar are checked. DIR appears only when it is complete. Until then, the pictures are in a hidden
folder beside it, .DIR.part. After an interruption, the same command resumes.
"""

from __future__ import annotations

import argparse
import shlex
import sys

from benchmarking.io.user_folders import expanded

NAME = "prepare"
HELP = "unpack the official validation tar into class folders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("tar", type=expanded, metavar="TAR", help="ILSVRC2012_img_val.tar")
    parser.add_argument(
        "folder", type=expanded, metavar="DIR", help="a folder that does not exist yet, or is empty"
    )
    parser.add_argument(
        "--no-verify",
        action="store_true",
        help="accept any tar of validation pictures, such as a part of the set, and do not check "
        "its size and md5",
    )


def run(args: argparse.Namespace) -> int:
    """Unpack, and print the next step."""
    from benchmarking.io.progress import bar
    from benchmarking.pictures.prepare import OFFICIAL, plan, prepare

    todo = plan(args.tar, args.folder, None if args.no_verify else OFFICIAL)
    try:
        n = len(todo.members)
        for _ in bar(prepare(todo), title="prepare", total=n, unit=" pictures"):
            pass
    except KeyboardInterrupt:
        print("\nstopped; what is unpacked is kept, the same command resumes", file=sys.stderr)
        return 130
    classes = {member.path.parent for member in todo.members}
    print(
        f"{len(todo.members):,} pictures in {len(classes):,} class folders; next: "
        f"imagenet-benchmark predict {shlex.quote(str(args.folder))}"
    )
    return 0
