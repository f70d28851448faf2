"""Which value of a recipe key: questions, their judging with rows and seeds, and what is told of them."""
