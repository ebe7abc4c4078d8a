"""Times that comparisons of Keras and PyTorch published in 2018 and 2019.

data/published_speed.csv has a line for each. In none of them was the work the same in both
frameworks; `articles` measures the same networks with the same work.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarking.io.files import shipped_rows

SOURCES = {
    "ilkarman": "https://github.com/ilkarman/DeepLearningFrameworks at commit 671e2a0",
    "wrosinski": "https://github.com/Wrosinski/dl_frameworks_benchmark at commit e4cf0bb",
}
"""Where the times were published. Wrosiński's are means of three runs, first epochs left out."""


@dataclass(frozen=True)
class PublishedTime:
    """A published time.

    Attributes:
        network: name of the network, as in `models.article_networks`; "resnet50-features" is it
            without its last layer, as it predicts. All others were trained.
        framework: the framework, such as "Keras on TensorFlow".
        versions: its versions.
        hardware: the GPU.
        batch_size: pictures of a batch.
        pictures: pictures that the time is for, in all epochs.
        seconds: the time.
        source: where it was published.
    """

    network: str
    framework: str
    versions: str
    hardware: str
    batch_size: int
    pictures: int
    seconds: float
    source: str

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.pictures / self.seconds


def published_times(network: str) -> list[PublishedTime]:
    """The published times of a network; none for one that was never timed.

    >>> for one in published_times("densenet121"):
    ...     print(f"{one.framework} on a {one.hardware}: {one.rate:.1f} pictures per second")
    Keras on TensorFlow on a GTX 1080: 44.6 pictures per second
    PyTorch on a GTX 1080: 56.0 pictures per second
    """
    return [
        PublishedTime(
            row["network"],
            row["framework"],
            row["versions"],
            row["hardware"],
            int(row["batch_size"]),
            int(row["pictures"]),
            float(row["seconds"]),
            SOURCES[row["source"]],
        )
        for row in shipped_rows("published_speed.csv")
        if row["network"] == network
    ]


def published_ratio(network: str, hardware: str) -> float:
    """Time of Keras on TensorFlow divided by that of PyTorch on one GPU, as published.

    Raises:
        KeyError: one of the two was not published.

    >>> round(published_ratio("cifar-vgg", "K80"), 2)
    1.43
    """
    seconds = {
        one.framework: one.seconds for one in published_times(network) if one.hardware == hardware
    }
    return seconds["Keras on TensorFlow"] / seconds["PyTorch"]
