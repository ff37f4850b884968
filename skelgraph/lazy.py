"""Packages whose names are imported when they are first used, so that the command line can list settings without
importing PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, names: Collection[str], modules: Collection[str], packages: Collection[str] = ()
) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a package, as PEP 562 has it.

    Args:
        package: Its ``__name__``.
        names: What it exports, its ``__all__``.
        modules: Its modules that hold these names, in the order in which they are searched; they are attributes of the
            package, too.
        packages: Further modules or packages in it that are attributes of it.
    """
    loaded = sys.modules[package]
    loaded.__dir__ = lambda: sorted({*vars(loaded), *names, *modules, *packages})  # type: ignore[method-assign]

    def get(name: str) -> Any:
        if name in modules or name in packages:
            return import_module(f"{package}.{name}")
        for module in modules if name in names else ():
            if (value := getattr(import_module(f"{package}.{module}"), name, None)) is not None:
                setattr(loaded, name, value)
                return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
