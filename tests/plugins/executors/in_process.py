"""Jobs in the calling process."""

from benchmarking.executors import Failed, Finished, Piece

NAME = "in-process"


def run(function, jobs):
    for job in jobs:
        try:
            for value in function(job):
                yield Piece(job, value)
            yield Finished(job)
        except Exception as error:
            yield Failed(job, f"{type(error).__name__}: {error}", "")
