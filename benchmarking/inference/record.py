"""Records of a run: its ingredients and how it was computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmarking.errors import StoreError, WeightsError
from benchmarking.inference.job import Environment, Job
from benchmarking.inference.partial_run import PartialRun
from benchmarking.models.sources import framework_of, sources, weights_path
from benchmarking.models.weights import verified_sha256
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions.provenance import RANDOM, Provenance
from benchmarking.predictions.store import Store


def ingredients(job: Job, images: ImageSet, sha256: str) -> dict[str, Any]:
    """Weights, recipe and pictures, in their stored form; sha256 is that of the weights."""
    document = {
        "weights": _weights(job, sha256),
        "preprocessing": job.recipe.as_document(),
        "images": _images(images),
    }
    plain: dict[str, Any] = json.loads(json.dumps(document))
    return plain


def is_stored(job: Job, images: ImageSet, store: Store) -> bool:
    """Whether a store has a job's run, complete and with the same ingredients.

    Ingredients are weights, recipe and pictures. A damaged file does not count as complete.
    """
    try:
        store.check(job.run)
        stored = store.provenance(job.run)
    except StoreError:
        return False
    recorded = {
        "weights": stored.weights,
        "preprocessing": stored.preprocessing,
        "images": stored.images,
    }
    sha256 = stored.weights.get("sha256", "")
    enough = job.keep == "top5" or store.keeps_all_probabilities(job.run)
    enough &= not job.classes or store.restricted_classes(job.run) is not None
    return enough and recorded == ingredients(job, images, sha256) and _has_weights(job, sha256)


def check_same_file(job: Job, images: ImageSet, store: Store) -> None:
    """Check that no other checkpoint or model file of the user's has a stored run of the same name.

    Raises:
        StoreError: there is one, or one with another recipe, which would be replaced.
        WeightsError: the file cannot be read.
    """
    if job.spec.weights.folder is None or not store.has_file(job.run):
        return
    try:
        stored = store.provenance(job.run)
    except StoreError:  # a damaged run, which is computed again
        return
    path = weights_path(job.spec, None)
    here = ingredients(job, images, verified_sha256(path, job.spec.weights))
    what = "checkpoint" if job.spec.architecture else "file"
    before, now = _differences(stored.weights, here["weights"], leaving_out="file")
    if not before and stored.preprocessing != here["preprocessing"]:
        what = "recipe"
        before, now = _differences(stored.preprocessing, here["preprocessing"])
    if before:
        raise StoreError(
            f"{store.place} has a run {job.run} of another {what} ({before}); this one has "
            f"{now}. Give it another name, or replace the stored run with --again."
        )


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], leaving_out: str = ""
) -> tuple[str, str]:
    """The differing entries of two documents, each in words; empty if all are equal."""
    names = [
        name
        for name in {**now, **before}
        if name != leaving_out and now.get(name) != before.get(name)
    ]
    return (
        ", ".join(f"{name} {before.get(name, 'not recorded')}" for name in names),
        ", ".join(f"{name} {now.get(name, 'not given')}" for name in names),
    )


def provenance(
    partial: PartialRun, images: ImageSet, executor: str, arguments: tuple[str, ...]
) -> Provenance:
    """The provenance of a complete run.

    Args:
        partial: the run, with all of its rows.
        images: its image set.
        executor: name of the executor that ran it.
        arguments: arguments of the command.
    """
    job, how = partial.job, partial.conditions
    return Provenance(
        **ingredients(job, images, how.environment.weights_sha256),
        **_environment(how.environment),
        platform=framework_of(job.spec).TITLE,
        input_shapes=how.input_shapes,
        executor=executor,
        started=how.started,
        seconds=round(how.seconds, 3),
        arguments=arguments,
        incidents=how.incidents,
    )


def _images(images: ImageSet) -> dict[str, Any]:
    """Name, number, fingerprint, design and shard; of a published set also name and few classes."""
    found = {"name": images.name, "n": len(images), "fingerprint": images.fingerprint}
    if images.picture_set:
        found["picture_set"] = images.picture_set
    if images.design:
        found["design"] = images.design.as_document()
    if images.shard:
        found["shard"] = images.shard.as_document()
    return found | ({"classes": list(images.restricted_to)} if images.restricted_to else {})


def _weights(job: Job, sha256: str) -> dict[str, Any]:
    if job.seed is not None:
        return {"name": RANDOM, "seed": job.seed}
    weights = job.spec.weights
    found: dict[str, Any] = {
        "name": weights.name,
        "file": weights.file,
        "sha256": sha256,
        "published_digest": weights.published_digest,
    }
    if job.spec.architecture:
        found["architecture"] = job.spec.architecture.full_name
    if weights.beside:
        found["beside"] = dict(weights.beside)
    if weights.parameters_sha256:
        found["parameters_sha256"] = weights.parameters_sha256
    return found | ({"part": weights.part} if weights.part else {})


def _has_weights(job: Job, sha256: str) -> bool:
    """Whether the weight file still has this digest; always True for random weights."""
    if job.seed is not None:
        return True
    if job.spec.source not in sources():  # a user's own model
        return False
    try:
        path = weights_path(job.spec, job.weights_folder)
        return verified_sha256(path, job.spec.weights) == sha256
    except WeightsError:
        return False


def _environment(environment: Environment) -> dict[str, Any]:
    """The environment for the provenance, without the weights, which are an ingredient.

    Why a model is not compiled is among the incidents.
    """
    elsewhere = ("weights_sha256", "uncompiled")
    return {name: value for name, value in asdict(environment).items() if name not in elsewhere}
