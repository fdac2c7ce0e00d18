"""The pictures of the documents: the page, the terminal, and what is seen on GitHub."""
