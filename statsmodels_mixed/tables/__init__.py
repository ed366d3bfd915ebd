"""Tables that are built once, of typed cells, and shown as text, Markdown, HTML, LaTeX or CSV."""

__all__: list[str] = []
