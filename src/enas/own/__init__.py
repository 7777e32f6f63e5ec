"""A search space of your own in one file: what such a file needs, in one import (`docs/your-own-space.md`)."""

from enas.architecture import Architecture
from enas.bounds import Bounds, Count, Decay, NotNegative, Positive, Share
from enas.data.images import ImageSpec
from enas.data.text import TextSpec
from enas.decisions import Input, Op, Skips, Step, Vocabulary
from enas.own.choice import Choice
from enas.own.recipe import Recipe
from enas.own.space import own_space
from enas.space import Edge, Graph, Node
from enas.tasks.images import ImageTask
from enas.tasks.text import Prediction, TextTask

__all__ = [
    "Architecture",
    "Bounds",
    "Choice",
    "Count",
    "Decay",
    "Edge",
    "Graph",
    "ImageSpec",
    "ImageTask",
    "Input",
    "Node",
    "NotNegative",
    "Op",
    "Positive",
    "Prediction",
    "Recipe",
    "Share",
    "Skips",
    "Step",
    "TextSpec",
    "TextTask",
    "Vocabulary",
    "own_space",
]
