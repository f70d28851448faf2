"""More images from outside: where they are found, how they are fetched, which are kept, whether they helped."""
