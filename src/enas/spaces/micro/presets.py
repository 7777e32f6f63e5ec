"""Named recipes of the micro space."""

from enas.config import AugmentConfig, ControllerConfig, SearchConfig, TrainConfig
from enas.space import Preset
from enas.spaces.micro.network import MicroNetworkConfig
from enas.spaces.micro.supernet import MicroSupernetConfig

PAPER = Preset(
    # The authors' scripts for CIFAR-10, micro search and micro final; where they and the paper differ, the scripts. CutOut of
    # 16 pixels is of the scripts' first public revision and of the paper's best result.
    supernet=MicroSupernetConfig(layers=6, filters=20, nodes=5, dropout=0.1, auxiliary_weight=0.4),
    network=MicroNetworkConfig(layers=15, filters=36, dropout=0.2, drop_path=0.4, auxiliary_weight=0.4),
    controller=ControllerConfig(hidden=64, temperature=None, tanh_constant=1.10, op_tanh_reduce=2.5),
    search=SearchConfig(
        epochs=150,
        batch_size=160,
        lr_max=0.05,
        lr_min=0.0005,
        lr_first_cycle=10,
        weight_decay=2e-4,
        decay_unsampled=True,
        controller_steps=30,
        controller_samples=10,
        controller_lr=3.5e-3,
        reward_batch_size=160,
    ),
    train=TrainConfig(
        epochs=630,
        batch_size=144,
        lr_max=0.05,
        lr_min=0.0001,
        lr_first_cycle=10,
        weight_decay=4e-4,
        train_on_valid=True,
    ),
    search_augment=AugmentConfig(),
    train_augment=AugmentConfig(cutout=16),
)

CPU = Preset(
    # 25 minutes of search on one processor core with 45,000 images of 32x32 (docs/results.md). With two layers the
    # first cell already halves the resolution, where most of the time would go. No drop-path and no CutOut: a training of a few
    # epochs does not overfit. The controller's settings are the best of 18 on a model of the shared weights' scores, where the
    # published ones learn nothing in so few updates (docs/log.md); the warm-up led to better cells (docs/results.md). The
    # authors' prior, 93 % separable convolutions at this tanh constant, stays: without it the weights, which are young, lead
    # the controller to pools and identities, whose networks are worse than chance (docs/results.md).
    supernet=MicroSupernetConfig(layers=2, filters=12, nodes=5, dropout=0.1, auxiliary_weight=0.4),
    network=MicroNetworkConfig(layers=2, filters=12, dropout=0.1, drop_path=0.0, auxiliary_weight=0.4),
    controller=ControllerConfig(hidden=64, temperature=None, tanh_constant=2.5),
    search=SearchConfig(
        epochs=7,
        batch_size=128,
        lr_max=0.1,
        lr_first_cycle=7,
        weight_decay=2e-4,
        controller_steps=28,
        controller_samples=10,
        controller_lr=3e-3,
        warmup_epochs=2,
        controller_beta1=0.9,
        controller_epsilon=1e-8,
        baseline="leave_one_out",
        reward_batch_size=250,
        derive_samples=40,
        derive_examples=1000,
    ),
    train=TrainConfig(epochs=3, batch_size=128, lr_max=0.1, lr_min=0.0, lr_first_cycle=3, lr_every_step=True),
    search_augment=AugmentConfig(),
    train_augment=AugmentConfig(),
)

DEMO = Preset(
    # A minute or two on two processor cores with the embedded digits. Each weight belongs to one place, operation and input,
    # so it is trained seldom: with much fewer epochs or filters than these the supernet learns next to nothing.
    supernet=MicroSupernetConfig(layers=1, filters=24, nodes=3, dropout=0.1, auxiliary_weight=0.4),
    network=MicroNetworkConfig(layers=1, filters=12, dropout=0.1, drop_path=0.1, auxiliary_weight=0.4),
    controller=ControllerConfig(hidden=64, temperature=None, tanh_constant=1.10, op_tanh_reduce=2.5),
    search=SearchConfig(
        epochs=50,
        batch_size=64,
        lr_max=0.1,
        lr_first_cycle=50,
        weight_decay=2e-4,
        controller_steps=5,
        controller_samples=8,
        controller_lr=5e-3,
        baseline_decay=0.9,
        reward_batch_size=100,
        derive_samples=30,
    ),
    train=TrainConfig(epochs=15, batch_size=64, lr_max=0.1, lr_min=0.0, lr_first_cycle=15, lr_every_step=True),
    search_augment=AugmentConfig(crop_padding=1, flip=False),
    train_augment=AugmentConfig(crop_padding=1, flip=False),
)

PRESETS = {"paper": PAPER, "cpu": CPU, "demo": DEMO}
