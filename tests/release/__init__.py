"""What is published: wheel, source distribution and the files about the project, checked as a stranger gets them."""
