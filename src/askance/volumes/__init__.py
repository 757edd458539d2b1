"""Files to arrays and back: formats, geometry, slice cache, data sets, phantom.

Knows files and voxels. Does not know models, queries, annotations or the study's store, and never imports torch.
"""
