"""How weights move: optimisers by name, sharpness-aware steps, averages of weights, schedules of the learning rate."""
