"""Which values of several keys at once: a space of recipes, tried by halving, the winner judged on fresh folds."""
