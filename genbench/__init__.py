"""genbench: which kind of generative model is better at what, on equal terms, and how sure one can be."""

__version__ = "0.1.0"
