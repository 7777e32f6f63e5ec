"""Search on looked-up accuracies: no images, no shared weights, seconds instead of minutes."""
