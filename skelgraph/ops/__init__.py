"""The numeric core: the one primitive that every graph layer is made of."""

from skelgraph.ops.mix import mix

__all__ = ["mix"]
