"""Both ways in which the blocks are computed: by the package's kernels, and without them."""

import pytest

from enas.nn import native


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda: None)


@pytest.fixture(params=["kernels", "without"])
def either_way(request: pytest.FixtureRequest) -> None:
    if request.param == "without":
        request.getfixturevalue("without_kernels")
    elif native.library() is None:
        pytest.skip("no C compiler here")
