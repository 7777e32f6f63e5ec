"""Settings as frozen dataclasses. Each field becomes a flag of the command line; its docstring is the flag's help.

Sources: "Pham 2018" is arXiv 1802.03268; "code" is the authors' release. Values that presets set differently are said there.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from enas.bounds import Bounds, Count, Decay, Natural, NotNegative, Positive, Seed, Share

Precision = Literal["float32", "bfloat16"]
OptimizerName = Literal["momentum", "sgd", "adam", "rmsprop"]
"""SGD with Nesterov momentum, plain SGD, Adam or RMSprop."""


@dataclass(frozen=True)
class DataConfig:
    """Where the data comes from and how it is read."""

    dataset: str | None = None
    """Name of a data set (images: digits, cifar10; text: pydoc, ptb, wikitext), or a folder of your own; None: the embedded
    data (digits or pydoc), without any download."""
    image_size: Count | None = None
    """Height and width to which images are resized, in pixels; None: their own size, 32 for photographs."""
    valid_fraction: Annotated[float, Bounds(0, 1, open_low=True, open_high=True)] = 0.1
    """Share of the training images held out for the controller's reward where the data has no validation split."""
    skip_bad_images: bool = False
    """Leave out images that cannot be read, and count them, instead of stopping at the first."""
    level: Literal["word", "char"] = "word"
    """Text: what is predicted one after another, words (parted by white space) or characters."""
    data_seed: Seed = 0
    """Seed of the split into training and validation images; the same for all runs that are compared."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of the training images, made for a whole batch at once."""

    crop_padding: Natural = 4
    """Pixels of mean colour added on each side before a random crop to the old size; 0: off."""
    flip: bool = True
    """Whether images are mirrored left to right with probability one half."""
    cutout: Natural = 0
    """Side of a square set to the mean colour at a random place (DeVries and Taylor 2017), in pixels; 0: off."""


@dataclass(frozen=True)
class WindowConfig:
    """How text is cut into the windows through which gradients flow back."""

    bptt: Count = 35
    """Words (or characters) in a window."""
    random_bptt: bool = False
    """Whether the lengths of training windows vary: 95 % around bptt, the others around half of it, with a standard
    deviation of 5; the learning rate varies with them (Merity, Keskar and Socher 2018)."""
    reward_scale: Positive = 80.0
    """The controller's reward is this divided by the perplexity."""


@dataclass(frozen=True)
class ControllerConfig:
    """Size and shaping of the LSTM policy (Pham 2018, section 2; code: general, macro and micro controllers)."""

    hidden: Count = 64
    """Width of the LSTM."""
    temperature: Positive | None = None
    """Logits are divided by it first; None: off."""
    tanh_constant: Positive | None = 1.5
    """Logits become c * tanh(logit): no choice can be ruled out for good; None: off."""
    op_tanh_reduce: Positive = 1.0
    """The constant is divided by this for questions that choose an operation."""
    op_prior: NotNegative = 1.0
    """Factor on the preference for some operations that a space gives an untrained controller (micro: the authors' one for
    separable convolutions); 0: all operations begin alike, so that what the controller prefers is what it learnt."""
    init_range: NotNegative = 0.1
    """All weights start uniform in plus and minus this."""
    tie_embedding: bool = False
    """Whether logits of operations reuse the embedding matrix (the corrected language model's code)."""
    skip_target: Annotated[float, Bounds(0, 1, open_low=True, open_high=True)] = 0.4
    """Probability of a skip that the skip penalty pulls towards."""


@dataclass(frozen=True)
class SearchConfig:
    """The alternating training of shared weights and controller (Pham 2018, section 2.2)."""

    epochs: Count = 310
    """Rounds of: one pass over the training data for the shared weights, then one phase for the controller."""
    batch_size: Count = 128
    """Training examples in one step of the shared weights; text: places in it that are read side by side."""
    steps_per_epoch: Count | None = None
    """Steps of the shared weights in a round; None: one pass over the training data."""
    lr_schedule: Literal["cosine", "exponential"] = "cosine"
    """How the learning rate of the shared weights falls: in cosine cycles, or by a factor for each epoch."""
    lr_max: NotNegative = 0.05
    """Learning rate of the shared weights at the start (of each cosine cycle)."""
    lr_min: NotNegative = 0.0005
    """Learning rate that each cosine cycle falls to, and below which an exponential schedule does not go."""
    lr_decay: Annotated[float, Bounds(0, 1, open_low=True)] = 0.96
    """Exponential schedule: the learning rate is multiplied by this for each epoch."""
    lr_decay_start: Natural = 15
    """Exponential schedule: epochs at the full rate before it falls."""
    lr_first_cycle: Count = 10
    """Epochs of the first cosine cycle (Loshchilov and Hutter 2017)."""
    lr_cycle_growth: Count = 2
    """Each cycle is this many times longer than the one before."""
    optimizer: OptimizerName = "momentum"
    """Optimiser of the shared weights: SGD with Nesterov momentum, plain SGD, Adam or RMSprop."""
    momentum: Decay = 0.9
    """Nesterov momentum of the shared weights, for the optimizer "momentum"; 0: plain SGD."""
    weight_decay: NotNegative = 5e-4
    """Weight decay of the shared weights: twice the factor of the sum of squares in the authors' loss."""
    decay_unsampled: bool = False
    """Whether weight decay and momentum also move weights that the sampled architecture does not use, as in the code."""
    precision: Precision = "float32"
    """What networks of images compute in; bfloat16: automatic mixed precision, where weights, gradients and the loss stay
    float32, for GPUs and processors that are fast in it."""
    grad_clip: Positive | None = None
    """Largest norm of the whole gradient of the shared weights; None: off (in the code it has no effect on images)."""
    batch_norm: Literal["batch", "running"] = "batch"
    """Statistics with which architectures are scored: of the batch itself, or running averages over all architectures."""
    weights_sampling: Literal["policy", "uniform", "fair"] = "policy"
    """Where the architectures of the steps of the shared weights come from: the controller; every answer equally likely (Li and
    Talwalkar 2019; Guo et al. 2020); or that, with each operation of a question once in as many architectures as it has
    operations (strict fairness: Chu, Zhang and Xu 2021, FairNAS)."""
    warmup_epochs: Natural = 0
    """Epochs at the start in which the controller stays as it is and the shared weights see architectures of
    `warmup_sampling`, so that the first rewards compare weights that all had their turn (Bender et al. 2018)."""
    warmup_sampling: Literal["uniform", "fair"] = "uniform"
    """Where the architectures of these epochs come from: see `weights_sampling`."""
    architectures_per_step: Count = 1
    """Architectures on each training batch, over which the gradient is averaged (M in Pham 2018, equation 1). A step takes so
    many times longer."""
    scoring_average: Decay | None = None
    """Decay per step of a moving average of the shared weights, with which architectures are scored (Polyak and Juditsky 1992);
    None: they are scored with the shared weights themselves."""
    controller_steps: Natural = 50
    """Updates of the controller in each epoch."""
    controller_samples: Count = 20
    """Architectures over which one update averages the policy gradient."""
    controller_optimizer: Literal["adam", "sgd", "momentum", "rmsprop"] = "adam"
    """Optimiser of the controller: Adam, plain SGD, SGD with Nesterov momentum, or RMSprop."""
    controller_lr: NotNegative = 1e-3
    """Learning rate of the controller, where it does not follow a cosine."""
    controller_lr_cosine: bool = False
    """Whether the controller's learning rate falls along half a cosine from controller_lr_max to controller_lr_min, over all
    epochs after the warm-up."""
    controller_lr_max: NotNegative = 0.05
    """Learning rate of the controller at the start of the cosine."""
    controller_lr_min: NotNegative = 1e-3
    """Learning rate of the controller at the end of the cosine."""
    controller_beta1: Decay = 0.0
    """First-moment decay of Adam for the controller."""
    controller_beta2: Decay = 0.999
    """Second-moment decay of Adam for the controller."""
    controller_epsilon: Positive = 1e-3
    """Epsilon of Adam and RMSprop for the controller."""
    controller_momentum: Decay = 0.9
    """Nesterov momentum of the controller, for the controller_optimizer "momentum"; 0: plain SGD."""
    controller_grad_clip: Positive | None = None
    """Largest norm of the whole gradient of the controller; None: off."""
    entropy_weight: NotNegative = 1e-4
    """Weight of the policy's entropy in the reward."""
    entropy_weight_end: NotNegative | None = None
    """What this weight falls or rises to in equal parts, from the first update of the controller to the last one of all epochs;
    with a table of accuracies until all queries are made. None: it stays as it is."""
    baseline: Literal["average", "leave_one_out"] = "average"
    """What is subtracted from the reward of an architecture: a moving average of rewards, or the mean reward of the others of
    the same update (Kool, van Hoof and Welling 2019), which knows no past and needs no time to begin with."""
    baseline_decay: Share = 0.99
    """Decay of the moving average that is subtracted from the reward; it starts at 0 and lasts for the whole search."""
    normalise_advantage: bool = False
    """Whether what is left is divided by the standard deviation of the rewards of the update, so that the size of a step does
    not depend on how far accuracies lie apart (as in PPO implementations and GRPO: Shao et al. 2024)."""
    policy_updates: Count = 1
    """Gradient steps of the controller with the rewards of one update; from the second on with the clipped objective of
    proximal policy optimisation (Schulman et al. 2017)."""
    policy_clip: Positive = 0.2
    """How much likelier or unlikelier an architecture becomes, as a share, before such a step stops gaining by it."""
    skip_weight: NotNegative = 0.8
    """Weight of the skip penalty in the controller's loss."""
    reward_batch_size: Count = 128
    """Validation examples on which one architecture is scored for the controller; text: windows at random places."""
    share_reward_batch: bool = True
    """Whether all architectures of one update see the same validation examples (fairer comparison), or each its own."""
    fix_reward_batch: bool = False
    """Whether all updates of an epoch see the same validation examples (common random numbers), so that an architecture is
    scored once an epoch; the next epoch draws others."""
    evaluation_samples: Count = 10
    """Architectures sampled and scored after each epoch for the log."""
    derive_samples: Count = 100
    """Architectures sampled from the trained controller, and as many drawn uniformly, to choose the final one from."""
    derive_examples: Count | None = None
    """Validation examples (text: words) on which each of these is scored; None: all of them."""
    derive_stages: Count = 1
    """Stages of this choice: each keeps the best third for three times as many examples, up to `derive_examples` for the last
    (successive halving: Jamieson and Talwalkar 2016); 1: all architectures on all examples."""
    derive_from: Literal["policy", "uniform"] = "policy"
    """Which of these may become the final one: those of the controller; or the uniform ones, and no others are drawn (random
    search with weight sharing: Li and Talwalkar 2019)."""
    probe_samples: Natural = 0
    """Architectures that are scored after an epoch for `probes.jsonl`, so many uniform ones, the same in all epochs, and so
    many of the controller: what rank correlations are computed from; 0: off. The search goes the same way with or without."""
    probe_examples: Count | None = 1000
    """Validation examples (text: words) on which these are scored; None: all of them."""
    probe_every: Count = 1
    """Epochs from one such scoring to the next; the last epoch always has one."""
    max_hours: NotNegative | None = None
    """End the search in good order after this many hours, with what was found so far; None: run to the end."""
    checkpoint_minutes: NotNegative = 5.0
    """Longest time between two checkpoints."""
    seed: Seed = 0
    """Seed of initial weights, samples and order of the data."""


@dataclass(frozen=True)
class TrainConfig:
    """Training one architecture from scratch."""

    epochs: Count = 310
    """Passes over the training data."""
    batch_size: Count = 100
    """Training examples in one step; text: places in it that are read side by side."""
    steps_per_epoch: Count | None = None
    """Steps in an epoch; None: one pass over the training data."""
    lr_schedule: Literal["cosine", "exponential"] = "cosine"
    """How the learning rate falls: in cosine cycles, or by a factor for each epoch."""
    lr_max: NotNegative = 0.05
    """Learning rate at the start (of each cosine cycle)."""
    lr_min: NotNegative = 0.001
    """Learning rate that each cosine cycle falls to, and below which an exponential schedule does not go."""
    lr_decay: Annotated[float, Bounds(0, 1, open_low=True)] = 0.96
    """Exponential schedule: the learning rate is multiplied by this for each epoch."""
    lr_decay_start: Natural = 15
    """Exponential schedule: epochs at the full rate before it falls."""
    lr_first_cycle: Count = 10
    """Epochs of the first cosine cycle; a single cycle when equal to epochs."""
    lr_cycle_growth: Count = 2
    """Each cycle is this many times longer than the one before."""
    lr_every_step: bool = False
    """Whether the learning rate falls at every step, or once an epoch as in the code."""
    optimizer: OptimizerName = "momentum"
    """Optimiser of the weights: SGD with Nesterov momentum, plain SGD, Adam or RMSprop."""
    momentum: Decay = 0.9
    """Nesterov momentum, for the optimizer "momentum"; 0: plain SGD."""
    weight_decay: NotNegative = 4e-4
    """Weight decay: twice the factor of the sum of squares in the authors' loss."""
    precision: Precision = "float32"
    """What networks of images compute in; bfloat16: automatic mixed precision, where weights, gradients and the loss stay
    float32, for GPUs and processors that are fast in it."""
    grad_clip: Positive | None = None
    """Largest norm of the whole gradient; None: off."""
    average_trigger: Count | None = None
    """Weights are averaged over all steps once a validation is worse than the best of those more than this many epochs before
    it (averaged SGD with the non-monotone trigger, Merity, Keskar and Socher 2018); None: off."""
    train_on_valid: bool = False
    """Whether the validation examples are trained on too (as published); the last weights are then the best ones."""
    max_hours: NotNegative | None = None
    """Stop in good order after this many hours; None: run to the end."""
    checkpoint_minutes: NotNegative = 5.0
    """Longest time between two checkpoints."""
    seed: Seed = 0
    """Seed of initial weights, dropout and order of the data."""


@dataclass(frozen=True)
class MovieConfig:
    """A picture that moves (.gif, .webp); `title` goes for still ones too."""

    title: str | None = None
    """What stands above the picture; none: the kind and size of the architecture."""
    seconds_per_frame: Annotated[float, Bounds(0.02, 60)] = 0.6
    """How long an epoch is shown; one without a change stays a quarter as long, the last one four times."""
    max_frames: Annotated[int, Bounds(2)] = 50
    """Most epochs that are shown; of a longer search, evenly spaced ones, with the first and the last."""
