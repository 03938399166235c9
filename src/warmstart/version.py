"""The version of the package, for those who tell it; the lowest floor."""

__version__ = "0.1.0"
