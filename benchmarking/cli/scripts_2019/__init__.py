"""The three commands of the 2019 benchmark, with every option they had."""
