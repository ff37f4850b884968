"""The published results of the field as recipes: a YAML file each, with its settings and what is known of its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skelgraph.lazy import lazy_exports
from skelgraph.recipes.recipe import Published, Recipe, list_recipes, read_recipe

if TYPE_CHECKING:
    from skelgraph.recipes.reproduction import reproduce

__all__ = ["Published", "Recipe", "list_recipes", "read_recipe", "reproduce"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, __all__, ("reproduction",))
