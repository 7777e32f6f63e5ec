"""Search methods against each other at equal budget, over several seeds, judged by what their choices are really worth."""
