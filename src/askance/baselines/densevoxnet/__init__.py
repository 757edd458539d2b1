"""Yu 2017, DenseVoxNet, as a method: volumes in working voxels, batches of patches, the training, prediction by windows."""

from askance.baselines.densevoxnet.method import DenseVoxNetMethod
from askance.baselines.densevoxnet.training import DenseVoxNetSettings

__all__ = ["DenseVoxNetMethod", "DenseVoxNetSettings"]
