"""Search a network for images, train it, and let it name the classes of images it has not seen: a minute or two, offline.

For images of your own, give a folder: `dataset="photos"`, with a folder of images for each class in it.
"""

import enas


def main(out: str = "runs/digits", **settings: object) -> list[str]:
    """Search, train and use; returns the classes of four test images."""
    found = enas.search("macro", dataset="digits", preset="demo", out=out, **settings)
    trained = enas.train(found, **settings)
    print(f"{found.architecture.to_json()}test accuracy {trained.result['test/accuracy']:.3f}")

    images = test_images()
    classifier = enas.load(out)  # at any later time, in another program; the training data is not needed
    for name, row in zip(classifier.predict(images), classifier.probabilities(images), strict=True):
        print(f"this is a {name}, with probability {row.max():.2f}")
    return classifier.predict(images)


def test_images() -> object:
    """The first four test images of the digits, as bytes; paths of image files would do as well."""
    from enas.data.embedded import load_digits

    test = load_digits().test
    assert test is not None
    return test.images[:4]


if __name__ == "__main__":
    main()
