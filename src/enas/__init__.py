"""ENAS: efficient neural architecture search via parameter sharing (Pham et al. 2018, arXiv 1802.03268)."""

__version__ = "0.1.0"
