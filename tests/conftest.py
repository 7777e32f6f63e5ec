"""Ways in which blocks are computed: with several numbers of threads, by the package's kernels, and without them."""

import functools
import platform
import tempfile
from collections.abc import Iterator
from ctypes import CDLL

import pytest
import torch

from enas.nn import compiled, native


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


@functools.cache
def kernels_for(processor: str) -> CDLL | None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(compiled, "FLAGS", (*compiled.FLAGS, f"-march={processor}"))
        patch.setenv("XDG_CACHE_HOME", folder)
        return compiled.library.__wrapped__()


@pytest.fixture(params=["x86-64", "x86-64-v3"])
def narrower(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels for an older processor of the family, whose vectors have four or eight numbers."""
    if platform.machine() != "x86_64" or native.library() is None:
        pytest.skip("names of processors of one family")
    found = kernels_for(request.param)
    assert found is not None
    monkeypatch.setattr(native, "library", lambda: found)
