"""One blueprint a noun. A view reads: read the form or the filter, call one function, render."""
