"""Ways in which blocks are computed: with several numbers of threads, by the package's kernels, and without them."""

from collections.abc import Iterator

import pytest
import torch

from enas.nn import native


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda: None)


@pytest.fixture(params=["kernels", "without"])
def either_way(request: pytest.FixtureRequest) -> None:
    if request.param == "without":
        request.getfixturevalue("without_kernels")
    elif native.library() is None:
        pytest.skip("no C compiler here")
