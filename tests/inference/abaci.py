"""A framework that finds three GPUs, of which the last is another device; none of them exists."""

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
    number = choose_gpu(gpu, 3, TITLE)
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
