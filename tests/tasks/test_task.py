"""What a checkpoint holds of a batch is put where the model is."""

import torch

from enas.tasks.task import moved


def test_what_a_batch_left_goes_to_the_device_of_the_model() -> None:
    state = torch.zeros(2, 3)
    assert moved(state, torch.device("meta")).device.type == "meta"
    pair = moved((state, [state, None]), torch.device("meta"))
    assert isinstance(pair, tuple)
    assert isinstance(pair[1], list)
    assert [pair[0].device.type, pair[1][0].device.type, pair[1][1]] == ["meta", "meta", None]
    assert moved(None, torch.device("cpu")) is None
