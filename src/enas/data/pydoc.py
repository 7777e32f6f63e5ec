"""The text that needs no download: the language reference that every Python brings along for its `help`."""

import re
from pydoc_data.topics import topics

_RAREST = 3
"""Words that the training text has fewer times than this become <unk>, as in the Penn Treebank of Mikolov et al. 2010."""
_EVERY = 10
_PIECES = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_+")


def topic_texts() -> tuple[str, str, str]:
    """Training, validation and test text; always the same with the same version of Python.

    Words are in small letters, numbers are N, signs are words of their own, and an empty line ends a paragraph, which becomes
    one line. Topics repeat each other, so each paragraph counts once. Paragraphs are dealt out in turn: eight of ten train, one
    validates, one tests.
    """
    found = (
        tuple(_word(piece) for piece in _PIECES.findall(paragraph))
        for name in sorted(topics)
        for paragraph in re.split(r"\n\s*\n", topics[name])
    )
    paragraphs = list(dict.fromkeys(words for words in found if len(words) > 1))
    counts: dict[str, int] = {}
    for place, words in enumerate(paragraphs):
        if place % _EVERY < _EVERY - 2:
            for word in words:
                counts[word] = counts.get(word, 0) + 1
    texts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for place, words in enumerate(paragraphs):
        line = " ".join(word if counts.get(word, 0) >= _RAREST else "<unk>" for word in words)
        texts[max(0, place % _EVERY - (_EVERY - 3))].append(line)
    train, valid, test = ("\n".join(lines) + "\n" for lines in texts)
    return train, valid, test


def _word(piece: str) -> str:
    return "N" if piece.isdigit() else piece.lower()
