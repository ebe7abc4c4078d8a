"""Transfer: a pretrained model without its head, trained on a folder of pictures for each class."""
