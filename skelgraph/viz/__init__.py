"""Pictures of results: :mod:`~skelgraph.viz.figures` and :mod:`~skelgraph.viz.animation` (extra ``viz``)."""
