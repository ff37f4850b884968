"""Finding people in videos: detectors behind one protocol."""
