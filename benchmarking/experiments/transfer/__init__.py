"""Train a new head on a frozen backbone, in each framework, and compare the results.

The seven steps of transfer learning, one module or two each:

1. data: `task` is what is learned, `folders` reads it from folders of classes;
2. generators: `augmentation` changes pixels, the same for every framework;
3. network: `in_pytorch` and `in_keras` take the head off any model and put a new one on it;
4. training: `plan` says what is done in which order, `features` keeps the backbone's outputs;
5. saving and loading: `exports`;
6. predictions: `shown`;
7. what it means: `results`.
"""
