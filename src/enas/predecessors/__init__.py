"""The command lines of `carpedm20/ENAS-pytorch` and of the authors' `melodyguan/enas`, as commands of this program."""
