"""A framework without a library, whose models run in a real worker process."""

from benchmarking.models.frameworks import Device

PLUGIN = "frameworks"
NAME = "patience"
TITLE = "PyTorch"  # so that its runs can be exported as arrays
MODULES = ("numpy",)
EXTRA = "dev"
EXECUTOR = "worker-process"
PRECISIONS = ("exact",)
BATCH_SIZES = {"cpu": 20, "gpu": 20}


def prepare(gpu, precision):
    return Device("cpu", "cpu", "a chair")


def seed(number):
    pass


def predictor(model, scaling, device, precision):
    return model


def layer_outputs(model, scaling, device, crops):
    return {}


def is_out_of_memory(error):
    return False


def versions():
    return {"patience": "1.0"}
