"""The MONAI Label REST API over a study, for 3D Slicer's extension and MONAI Label's Python client, which work unchanged.

The server's address for them is ``http://host:port/t/TOKEN``: Slicer loads images without its auth header, so who asks
stands in the path. Clients think in volumes, the study in slices: a label that comes back becomes answers for the slices
of that case that were asked. What is labelled is never deleted through this door.
"""
