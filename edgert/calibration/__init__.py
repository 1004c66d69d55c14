"""Unlabelled frames make up for what an edit took away: closed form, no gradient, no label.

frames        calibration frames from a folder
activations   values inside a graph, computed one part after another
reference     the frames, and what the full model computes on them
sites         where an edited graph can be fitted to the full one
sampling      which positions a fit looks at, and what a map reads there
ridge         least squares near a prior
fit           the fits of one configuration, in graph order
elimination   which features a map can best do without
ranking       which channels of each group matter least
batchnorm     statistics of normalisations, for the fit
batch_statistics   statistics of one batch in front of every normalisation
picture_batches   the pictures that these are measured on
recalibration   all of a graph's, measured as once-for-all does; the edit that applies them
edits         the edit `compensate`, as family.yaml writes it
"""
