"""One module a version, named `r<number>_<what it brings>`; never changed once released."""
