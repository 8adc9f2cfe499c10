"""Labels that a model gives to a whole data set, for the next training.

Those of a batch, within a training, are in `methods.pseudo_labels`.
"""
