"""Named recipes of the RNN space; figures are for Penn Treebank. The three of them do not mix."""

from enas.config import ControllerConfig, SearchConfig, TrainConfig, WindowConfig
from enas.space import Preset
from enas.spaces.rnn.network import RnnNetworkConfig
from enas.spaces.rnn.supernet import RnnSupernetConfig

PAPER = Preset(
    # Search: the paper, section 3.1. Training from scratch: the authors' first code, final script (docs/details.md).
    supernet=RnnSupernetConfig(nodes=12, width=1000, weight_range=0.025),
    network=RnnNetworkConfig(
        width=748, weight_range=0.04, drop_word=0.21, drop_input=0.75, drop_hidden=0.25, drop_output=0.76,
        temporal_penalty=0.75,
    ),
    controller=ControllerConfig(hidden=100, temperature=5.0, tanh_constant=2.5),
    search=SearchConfig(
        epochs=150, batch_size=64, lr_schedule="exponential", lr_max=20.0, lr_min=0.0, lr_decay=0.96, lr_decay_start=15,
        momentum=0.0, weight_decay=2e-7, grad_clip=0.25, controller_steps=2000, controller_samples=1, controller_lr=3.5e-4,
        entropy_weight=1e-4, reward_batch_size=64,
    ),
    train=TrainConfig(
        epochs=2000, batch_size=64, lr_schedule="exponential", lr_max=20.0, lr_min=1e-3, lr_decay=0.9991, lr_decay_start=14,
        momentum=0.0, weight_decay=1e-6, grad_clip=0.25,
    ),
    search_augment=WindowConfig(),
    train_augment=WindowConfig(),
)  # fmt: skip

ENAS_LM = Preset(
    # The authors' corrected language model, version for a GPU.
    supernet=RnnSupernetConfig(
        nodes=10, tanh_first=True, average="all", weights_for="edge_and_activation", width=200, weight_range=0.04,
        drop_word=0.1, drop_embedding=0.2, drop_input=0.75, drop_hidden=0.25, drop_output=0.75, temporal_penalty=1.0,
    ),
    network=RnnNetworkConfig(
        width=800, average="all", weight_range=0.05, drop_word=0.125, drop_embedding=0.175, drop_input=0.725,
        drop_hidden=0.225, drop_output=0.75, activation_penalty=0.7,
    ),
    controller=ControllerConfig(
        hidden=64, temperature=5.0, tanh_constant=2.25, init_range=0.01, tie_embedding=True,
    ),
    search=SearchConfig(
        epochs=600, batch_size=128, lr_schedule="exponential", lr_max=20.0, lr_min=20.0, momentum=0.0, weight_decay=1.6e-6,
        grad_clip=0.1, controller_steps=25, controller_samples=10, controller_lr=5e-5, controller_beta1=0.9,
        controller_epsilon=1e-8, entropy_weight=1e-5, baseline_decay=0.999, reward_batch_size=128,
    ),
    train=TrainConfig(
        epochs=3000, batch_size=64, lr_schedule="exponential", lr_max=20.0, lr_min=20.0, momentum=0.0, weight_decay=1.6e-6,
        grad_clip=0.25, average_trigger=10,
    ),
    search_augment=WindowConfig(random_bptt=True),
    train_augment=WindowConfig(random_bptt=True),
)  # fmt: skip

CPU = Preset(
    # 23 minutes of search, 11 of training on one core (docs/results.md). Adam for the shared weights: in so few epochs
    # it gets further than SGD at any rate tried. Uniform sampling for half of the search: a controller that moves earlier
    # settles on what the young weights happen to favour, which then favour it more (docs/log.md).
    supernet=RnnSupernetConfig(nodes=8, width=200, weight_range=0.04, longest_state=25.0, drop_input=0.1, drop_output=0.2),
    network=RnnNetworkConfig(
        width=200, weight_range=0.04, longest_state=25.0, drop_input=0.2, drop_hidden=0.1, drop_output=0.3,
    ),
    controller=ControllerConfig(hidden=100, temperature=5.0, tanh_constant=2.5),
    search=SearchConfig(
        epochs=8, batch_size=64, optimizer="adam", lr_schedule="exponential", lr_max=2e-3, lr_min=1e-4, lr_decay=0.6,
        lr_decay_start=4, weight_decay=0.0, grad_clip=0.25, controller_steps=25, controller_samples=10, controller_lr=1e-3,
        controller_beta1=0.9, controller_epsilon=1e-8, baseline="leave_one_out", warmup_epochs=4, reward_batch_size=64,
        derive_samples=60, derive_examples=10000,
    ),
    train=TrainConfig(
        epochs=4, batch_size=32, optimizer="adam", lr_max=5e-3, lr_min=1e-4, lr_first_cycle=4, lr_every_step=True,
        weight_decay=0.0, grad_clip=0.25,
    ),
    search_augment=WindowConfig(),
    train_augment=WindowConfig(),
)  # fmt: skip

DEMO = Preset(
    # A minute on two processor cores with the embedded text.
    supernet=RnnSupernetConfig(nodes=5, width=64, weight_range=0.1, longest_state=25.0, drop_output=0.1),
    network=RnnNetworkConfig(width=64, weight_range=0.1, longest_state=25.0, drop_input=0.1, drop_output=0.2),
    controller=ControllerConfig(hidden=64, temperature=5.0, tanh_constant=2.5),
    search=SearchConfig(
        epochs=8, batch_size=16, lr_schedule="exponential", lr_max=5.0, lr_min=0.1, lr_decay=0.6, lr_decay_start=4,
        momentum=0.0, weight_decay=0.0, grad_clip=0.25, controller_steps=15, controller_samples=8, controller_lr=5e-3,
        baseline_decay=0.9, reward_batch_size=32, derive_samples=30, derive_examples=4000,
    ),
    train=TrainConfig(
        epochs=8, batch_size=16, lr_schedule="exponential", lr_max=5.0, lr_min=0.1, lr_decay=0.6, lr_decay_start=4,
        momentum=0.0, weight_decay=0.0, grad_clip=0.25,
    ),
    search_augment=WindowConfig(),
    train_augment=WindowConfig(),
)  # fmt: skip

PRESETS = {"paper": PAPER, "enas-lm": ENAS_LM, "cpu": CPU, "demo": DEMO}
