"""Figures as text."""

import math

from enas.figures import shown


def test_figures_of_any_size_stay_short() -> None:
    assert shown(0.74056) == "0.7406"
    assert shown(-144.3838, 3) == "-144.384"
    assert shown(999_999) == "999999.0000"
    assert shown(-4.27e120) == "-4.270e+120"
    assert shown(math.inf) == "inf"
    assert shown(math.nan) == "nan"
