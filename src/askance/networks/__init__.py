"""The networks and their losses: tensors in, tensors out. Knows torch alone: no files, no study, no schedule."""
