"""askance: the expert labels the slices the model looks at askance; it labels the rest."""

__version__ = "0.1.0"
