"""From keypoints in pixels to people in space."""
