"""A page that shows moving people in space, one file that opens in every browser: :func:`write_viewer`."""

from skelgraph.viz.viewer.page import viewer_page, write_viewer
from skelgraph.viz.viewer.scene import ViewerPerson, ViewerScene

__all__ = ["ViewerPerson", "ViewerScene", "viewer_page", "write_viewer"]
