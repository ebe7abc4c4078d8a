"""The files for SLURM and Kubernetes on the page about many GPUs do what the page says."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from benchmarking.cli import _parser

PAGE = (Path(__file__).parents[1] / "docs" / "many-gpus.md").read_text()

FIELDS = {
    *("activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint"),
    *("entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "jobId", "managedBy"),
    *("metadata", "rayClusterSpec", "runtimeEnvYAML", "shutdownAfterJobFinishes"),
    *("submissionMode", "submitterConfig", "submitterPodTemplate", "suspend"),
    *("ttlSecondsAfterFinished",),
}
"""Fields of a RayJob: ray-operator/apis/ray/v1/rayjob_types.go of KubeRay 1.6."""

STUBS = {
    "srun": 'while [[ $1 == -* ]]; do shift; done; exec "$@"',
    "scontrol": "printf 'node7\\nnode8\\n'",
    "ray": 'echo "ray $*" >>"$TOLD"; while [[ $1 != -- ]]; do shift; done; shift; exec "$@"',
    "imagenet-benchmark": 'echo "imagenet-benchmark $*" >>"$TOLD"',
}
"""Programs that stand for those of a cluster: they note what they are asked, and pass it on."""


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


SCRIPTS = {re.search(r"--job-name=(\S+)", text)[1]: text for text in fences("sh")}


@pytest.fixture
def told(tmp_path):
    """A function that runs a script with the variables of SLURM, and returns what was asked."""
    for name, body in STUBS.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def told(script: str, **variables: object) -> list[list[str]]:
        log = tmp_path / "told"
        log.unlink(missing_ok=True)
        settings = {f"SLURM_{name}": str(value) for name, value in variables.items()}
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        environment = {"PATH": path, "TOLD": str(log), **settings}
        subprocess.run(["bash"], input=script, text=True, check=True, env=environment)
        return [shlex.split(line) for line in log.read_text().splitlines()]

    return told


def parsed(words):
    assert words[0] == "imagenet-benchmark"
    return _parser(words[1:]).parse_args(words[1:])


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_batch_file_has_valid_syntax_and_only_options_of_one_form(name):
    script = SCRIPTS[name]
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    first, *rest = script.splitlines()
    assert first == "#!/bin/bash"
    options = [line for line in rest if line.startswith("#SBATCH")]
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in options)
    assert rest[: len(options)] == options  # SLURM stops reading at the first command


def test_the_tasks_of_an_array_have_each_shard_once(told):
    script = SCRIPTS["imagenet"]
    first, last = map(int, re.search(r"--array=(\d+)-(\d+)", script).groups())
    count, asked = last - first + 1, []
    for task in range(first, last + 1):
        variables = {"ARRAY_TASK_ID": task, "ARRAY_TASK_COUNT": count, "CPUS_PER_TASK": 96}
        (words,) = told(script, **variables)
        args = parsed(words)
        assert args.gpu == "all"
        asked.append(str(args.shard))
    assert asked == [f"{number}/{count}" for number in range(1, count + 1)]


def test_the_first_node_of_a_ray_job_predicts_for_all(told):
    script = SCRIPTS["imagenet-ray"]
    ray, words = told(script, JOB_NODELIST="node[7-8]", JOB_NUM_NODES=2, CPUS_PER_TASK=96)
    assert ray[:6] == ["ray", "symmetric-run", "--address", "node7:6379", "--min-nodes", "2"]
    args = parsed(words)
    assert (args.executor, args.address) == ("ray", "auto")


def test_the_job_for_kubernetes_has_known_fields_and_its_volumes():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: pip install pyyaml")
    (text,) = fences("yaml")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job["spec"]) <= FIELDS
    cluster = job["spec"]["rayClusterSpec"]
    assert isinstance(cluster["rayVersion"], str)
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in groups):
        volumes = {volume["name"] for volume in pod["volumes"]}
        mounts = [mount for one in pod["containers"] for mount in one["volumeMounts"]]
        assert {mount["name"] for mount in mounts} == volumes
        assert "/data" in {mount["mountPath"] for mount in mounts}
    args = parsed(job["spec"]["entrypoint"].split())
    assert (args.executor, args.address) == ("ray", "auto")
    (container,) = groups[0]["template"]["spec"]["containers"]
    places = tuple(mount["mountPath"] for mount in container["volumeMounts"])
    assert str(args.store[0]).startswith(places)
