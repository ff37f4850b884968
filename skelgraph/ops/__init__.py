"""The numeric core: the one primitive that every graph layer is made of."""

from skelgraph.ops.mix import empty_weight, mix

__all__ = ["empty_weight", "mix"]
