"""What is wrong with a dataset's images and labels, as findings; nothing is changed by them."""
