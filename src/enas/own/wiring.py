"""A drawing made from the questions alone, for spaces that bring none of their own."""

from collections.abc import Sequence
from typing import cast

from enas.architecture import Architecture
from enas.decisions import Input, Op, Skips, Step
from enas.space import Edge, Graph, Node, file_and_attribute

INPUT, OUTPUT = "input", "output"


def graph_of(architecture: Architecture, steps: Sequence[Step]) -> Graph:
    """One box for all questions that have the same first part in their names, such as "block2.mixer" and "block2.width".

    A box shows its operations. It reads the nodes that its `Input` questions chose, or where it has none, the box before it;
    what a `Skips` question chose is drawn as skip connections. A node that is remembered under another name than that of a box
    has a box of its own, which reads the input. What nothing reads leads to the output.
    """
    answers = {step.decision.name: step.decision for step in steps if step.decision is not None}
    boxes: dict[str, list[str]] = {}
    for step in steps:
        if step.decision is not None:
            boxes.setdefault(_box(step.decision.name), []).append(step.decision.name)
        if step.remember is not None and not any(_box(name) == step.remember for name in answers):
            boxes.setdefault(step.remember, [])
    nodes, edges, before = [Node(INPUT, INPUT, INPUT)], [], INPUT
    for box, questions in boxes.items():
        operations = [str(architecture.choices[name]) for name in questions if isinstance(answers[name], Op)]
        nodes.append(Node(box, ", ".join(operations).replace("_", " ") or box, operations[0] if operations else INPUT))
        pointed = {
            str(architecture.choices[name]): None for name in questions if isinstance(answers[name], Input)
        }  # a dictionary, for one arrow where two questions chose the same node
        edges += [Edge(source, box) for source in pointed] or [Edge(before if questions else INPUT, box)]
        for name in questions:
            if isinstance(answers[name], Skips):
                edges += [Edge(source, box, "skip") for source in cast(Sequence[str], architecture.choices[name])]
        before = box
    read = {edge.source for edge in edges}
    edges += [Edge(node.name, OUTPUT) for node in nodes if node.name not in read]
    nodes.append(Node(OUTPUT, OUTPUT, OUTPUT))
    points = any(isinstance(question, Input) for question in answers.values())
    return Graph(_title(architecture), tuple(nodes), tuple(edges), "layered" if points else "chain")


def _box(question: str) -> str:
    return question.partition(".")[0]


def _title(architecture: Architecture) -> str:
    found = file_and_attribute(architecture.space)
    name = architecture.space if found is None else found[0].replace("\\", "/").rpartition("/")[2]
    size = ", ".join(f"{value} {key}" for key, value in architecture.size.items())
    return f"{name}: {size}" if size else name
