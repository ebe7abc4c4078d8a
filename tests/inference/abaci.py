"""A framework that finds three GPUs, or as many as ABACI says; the third is another device.

None of them exists.
"""

import os

from benchmarking.models.frameworks import Device, choose_gpu

PLUGIN = "frameworks"
NAME = "abaci"
TITLE = "Abaci"
MODULES = ("numpy",)
EXTRA = "dev"
EXECUTOR = "worker-process"
PRECISIONS = ("exact",)
BATCH_SIZES = {"cpu": 2, "gpu": 2}


def prepare(gpu, precision):
    number = choose_gpu(gpu, int(os.environ.get("ABACI", 3)), TITLE)
    if number is None:
        return Device("cpu", "cpu", "fingers")
    return Device(f"abacus:{number}", "gpu", "slide rule" if number == 2 else "abacus")


def seed(number):
    pass


def predictor(model, scaling, device, precision):
    return model


def layer_outputs(model, scaling, device, crops):
    return {}


def is_out_of_memory(error):
    return False


def versions():
    return {"abaci": "1.0"}
