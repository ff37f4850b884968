"""Pictures of skeletons, messages and results, animations, and the page that plays people in space (extra ``viz``)."""
