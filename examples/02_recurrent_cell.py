"""Search a recurrent cell for a language model, train it, and let it write: some minutes, on the text that Python brings along.

For a text of your own, give a folder with train.txt, valid.txt and test.txt: `main(dataset="texts")`.
"""

import enas


def main(dataset: str = "pydoc", out: str = "runs/cell", **settings: object) -> list[str]:
    """Search, train and write; returns twenty words."""
    found = enas.search("rnn", dataset=dataset, preset="demo", out=out, **settings)
    trained = enas.train(found, **settings)
    print(f"test perplexity {trained.result['test/perplexity']:.1f}")

    model = enas.load(out)
    for word, probability in model.next_words("the value of the", n=3):
        print(f"the value of the {word}: {probability:.3f}")
    words = model.generate("the value of the", n=20, temperature=0.8)
    print("the value of the", *words)
    return words


if __name__ == "__main__":
    main()
