"""One plug-in of each kind for imagenet-benchmarking."""
